"""What a dealer can be told: one table for options, environment variables and configuration files."""

from __future__ import annotations

from protocol.config import Setting, duration, file_path, listen_address, positive, size, whole
from protocol.log import SETTING as LOG_FORMAT

LIMITS = (
    Setting("max_sessions", "sessions at a time", whole(1, 100_000), "64", metavar="N"),
    Setting("max_step_memory", "memory that one step of a plan may need", size, "512MiB", metavar="SIZE"),
)
TRUST = (
    Setting("key", "the dealer's secret key file; on loopback keys are made by themselves", file_path, metavar="FILE"),
    Setting("alice_key", "alice's public key", metavar="KEY"),
    Setting("bob_key", "bob's public key", metavar="KEY"),
    Setting("allow", "a file of public keys that may connect, one a line", file_path, metavar="FILE"),
    Setting("insecure_plaintext", "no keys and no encryption at all; refused on addresses other than loopback", flag=True),
)
SERVE = (
    Setting("listen", "where parties find the dealer", listen_address, "tcp://127.0.0.1:7700", metavar="ADDRESS"),
    Setting("workers", "threads that make material", whole(1, 256), "1", metavar="N"),
    Setting("timeout", "silence after which a party is given up", positive(duration), "30s", metavar="TIME"),
    *LIMITS,
    *TRUST,
    Setting("quiet", "say nothing", flag=True),
    LOG_FORMAT,
)
KEYGEN = (
    Setting("out", "the secret key file; default: dealer.key in the user's configuration folder", file_path, metavar="FILE"),
)
