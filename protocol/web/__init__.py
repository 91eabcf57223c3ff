"""A small web server beside the work of a process: its page, and its metrics. Read-only; on
loopback, or with a token.

What is imported here needs libraries that are installed on request alone, so nothing else imports
it before somebody asks for it.
"""
