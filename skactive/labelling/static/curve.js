"use strict";
// The learning curve as SVG: accuracy over the number of labels.

const drawCurve = (() => {
  const NS = "http://www.w3.org/2000/svg";
  const WIDTH = 300, HEIGHT = 170, LEFT = 38, RIGHT = 10, TOP = 10, BOTTOM = 24;

  function add(parent, name, attributes, text) {
    const element = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    parent.append(element);
    return element;
  }

  const percent = (value) => `${Math.round(100 * value)} %`;

  return function drawCurve(holder, points) {
    holder.replaceChildren();
    const words = document.createElement("p");
    holder.append(words);
    if (points.length === 0) {
      words.textContent = "There are too few labels yet to say how well they predict others.";
      return;
    }
    const [lastLabels, lastAccuracy] = points[points.length - 1];
    words.textContent = `${percent(lastAccuracy)} accuracy with ${lastLabels} labels`;
    const lowest = Math.min(...points.map(([, accuracy]) => accuracy));
    const floor = Math.max(0, Math.min(0.9, Math.floor(10 * lowest - 0.001) / 10));
    const x = (labels) => LEFT + (WIDTH - LEFT - RIGHT) * labels / lastLabels;
    const y = (accuracy) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - accuracy) / (1 - floor);
    const svg = add(holder, "svg", {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img",
      "aria-label": "Accuracy over labels: " +
        points.map(([labels, accuracy]) => `${percent(accuracy)} with ${labels}`).join(", "),
    });
    for (const accuracy of [floor, (floor + 1) / 2, 1]) {
      add(svg, "line", { class: "axis", x1: LEFT, x2: WIDTH - RIGHT, y1: y(accuracy), y2: y(accuracy) });
      add(svg, "text", { class: "tick", x: LEFT - 5, y: y(accuracy) + 4, "text-anchor": "end" },
        percent(accuracy));
    }
    add(svg, "text", { class: "tick", x: LEFT, y: HEIGHT - 7 }, "0");
    add(svg, "text", { class: "tick", x: WIDTH - RIGHT, y: HEIGHT - 7, "text-anchor": "end" },
      `${lastLabels} labels`);
    add(svg, "polyline", {
      class: "line", points: points.map(([labels, accuracy]) => `${x(labels)},${y(accuracy)}`).join(" "),
    });
    for (const [labels, accuracy] of points) {
      add(svg, "circle", { class: "dot", cx: x(labels), cy: y(accuracy), r: 3 });
    }
  };
})();
