"""`python -m hubline_chat`, and `python -m hubline_chat reset-admin`."""

import sys

try:
    from hubline_chat.launch import main

    status = main(sys.argv[1:])
except KeyboardInterrupt:  # while everything was still being loaded
    status = 130
sys.exit(status)
