"""Agreement of two sequences of predictions, pair by pair: what is beyond chance."""


def kappa(before, after):
    """Cohen's kappa; chance pairs any prediction of one model with any of the other."""
    n = len(before)
    equal = sum(a == b for a, b in zip(before, after, strict=True)) / n
    by_chance = sum(a == b for a in before for b in after) / n**2
    return (equal - by_chance) / (1 - by_chance)


def concordance(before, after):
    """The same for squared distances, which is Lin's concordance correlation."""
    n = len(before)
    distance = sum((a - b) ** 2 for a, b in zip(before, after, strict=True)) / n
    by_chance = sum((a - b) ** 2 for a in before for b in after) / n**2
    return 1 - distance / by_chance
