#!/usr/bin/env bash
# Chromium for tests. The headless one of today prepares, for every window, pages of its address bar that nobody will see:
# they cost as much as the tests. Playwright has a list of its own of what is turned off, and only one list counts.
for option; do
  [[ $option != --disable-features=* ]] || option+=,WebUIOmniboxPopup,WebUIOmniboxAimPopup
  options+=("$option")
done
exec "${CHROMIUM:-chromium}" "${options[@]}"
