"""`python -m hubline_chat`, and `python -m hubline_chat reset-admin`."""

import sys

try:
    from hubline_chat.launch import main

    status = main(sys.argv[1:])
except KeyboardInterrupt:  # Ctrl+C while the modules were being loaded
    status = 130
sys.exit(status)
