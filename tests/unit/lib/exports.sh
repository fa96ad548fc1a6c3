#!/bin/sh
# SPDX-License-Identifier: MIT
# The shared library shows the calls that the headers declare, all of them and nothing else.
# exports.sh LIBRARY HEADER ...
set -eu
command -v nm >/dev/null || exit 77
lib=$1
shift
shown=$(nm -D --defined-only "$lib" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort)
declared=$(cat "$@" | sed -n '/^static/d
	s/^[a-z][a-z0-9 ]*[a-z0-9_ ]*[ *]\**\(sonde_[a-z_]*\)(.*/\1/p
	s/^extern .*[ *]\(sonde_[a-z_]*\) .*/\1/p' | grep -v '_cb$' | sort)
[ -n "$declared" ] && [ "$shown" = "$declared" ] && exit 0
printf 'declared:\n%s\nshown:\n%s\n' "$declared" "$shown" >&2
exit 1
