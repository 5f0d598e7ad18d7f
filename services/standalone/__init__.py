import os

# Read when grpc is imported. We start servers while it runs; they exec at once and need no care.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
