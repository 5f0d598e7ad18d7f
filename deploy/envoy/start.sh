#!/bin/bash
# Start the edge with a configuration file and what this installation sets: Envoy reads no environment.
#
#   TRUSTED_HOPS  how many proxies in front of the edge append to X-Forwarded-For (0 to 9, default 0)
#
#   start.sh /etc/centralita/envoy.yaml [arguments of Envoy]
set -euo pipefail

hops=${TRUSTED_HOPS:-0}
if ! [[ $hops =~ ^[0-9]$ ]]; then
  echo "edge: TRUSTED_HOPS must be one digit, the number of proxies in front of the edge." >&2
  exit 64
fi
config=$(sed "s/xff_num_trusted_hops: 0/xff_num_trusted_hops: $hops/" "$1")
exec envoy --config-yaml "$config" "${@:2}"
