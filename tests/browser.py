"""A labelling page in a process of its own, and a headless browser that looks at it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
SECONDS_TO_WAIT = 60


def skip_without_browser():
    pytest.importorskip("selenium", reason="selenium is not installed: pip install selenium")
    if CHROMIUM is None or DRIVER is None:
        pytest.skip(
            "chromium and its driver are not installed: tests/install_browser.sh",
            allow_module_level=True,
        )


class Server:
    """``skactive label`` with these options, until it is killed."""

    def __init__(self, folder, *options):
        self.errors = Path(folder, "errors.txt")
        command = [sys.executable, "-m", "skactive.cli", "label", *map(str, options)]
        with open(self.errors, "a") as errors:
            self.process = subprocess.Popen(
                [*command, "--no-browser"],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=folder,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        self.url = self.process.stdout.readline().strip()
        assert self.url.startswith("http://127.0.0.1:"), self.errors.read_text()

    def end(self, number=signal.SIGINT):
        """The exit code."""
        self.process.send_signal(number)
        code = self.process.wait(SECONDS_TO_WAIT)
        self.process.stdout.close()
        return code

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.end(signal.SIGKILL)


@contextmanager
def browser():
    """Headless chromium."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


class Window:
    """What a person sees and types."""

    def __init__(self, driver, width=1000, height=900, dark=False):
        self.driver = driver
        driver.get("about:blank")  # so that pages before say nothing any more
        driver.get_log("browser")
        # A window has a least width; what the page is given has not.
        self._set(
            "DeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._set("EmulatedMedia", features=[scheme])

    def _set(self, what, **values):
        self.driver.execute_cdp_cmd(f"Emulation.set{what}", values)

    def open(self, url):
        self.driver.get(url)
        self.wait_for(lambda: self.row() is not None or self.status())

    def wait_for(self, condition):
        deadline = time.monotonic() + SECONDS_TO_WAIT
        while not (found := condition()):
            assert time.monotonic() < deadline, self.driver.page_source[:4000]
            time.sleep(0.01)
        return found

    def text(self, name):
        """All text of an element, as it is in the document."""
        return self.run("return document.getElementById(arguments[0]).textContent", name)

    def row(self):
        """Number of the row on the screen, None if there is none."""
        found = self.run("return document.getElementById('card').dataset.row")
        return int(found) if found else None

    def status(self):
        """Why there is no row."""
        return self.run("return document.getElementById('card').dataset.status")

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def fields(self):
        """Names and texts of the row on the screen."""
        return dict(
            self.run(
                "return [...document.querySelectorAll('#fields dt')].map("
                "(term) => [term.textContent, term.nextElementSibling.textContent])"
            )
        )

    def type(self, key):
        """Press a key, and wait until the page has done what it stands for."""
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).send_keys(key).perform()
        self.wait_for(lambda: self.run("return !document.body.hasAttribute('aria-busy')"))

    def errors(self):
        """What the browser's console says of errors."""
        return [entry for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]
