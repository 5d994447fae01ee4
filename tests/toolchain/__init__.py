"""The real engines that tests run on, built from Go modules into a folder outside the checkout.

`python -m tests.toolchain` builds them; README.md beside this file says how long that takes. Users of
Headrace have their vendors' binaries and need none of it.
"""
