#!/bin/sh
# Installs the browser that tests/test_page_browser.py looks with; run as root on Debian or Ubuntu.
set -eu
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium chromium-driver
chromium --version
chromedriver --version
