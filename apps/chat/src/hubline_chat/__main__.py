"""`python -m hubline_chat`."""

import sys

try:
    from hubline_chat.launch import main

    status = main()
except KeyboardInterrupt:  # while everything was still being loaded
    status = 130
sys.exit(status)
