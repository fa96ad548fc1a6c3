#!/bin/sh
# SPDX-License-Identifier: MIT
# A program prints what it sees of itself, bare and observed: both must be the same.
set -eu
victim=$V/victim_transparent
script="uprobe:$victim:work { @ = count(); }"

observe() {
	"$SONDE" -q -o maps -e "$script" -c "$victim one two"
}

# Plain; then with blocked and ignored signals, a further descriptor, and the variables that
# the tool itself needs already in use.
"$victim" one two </dev/null >out 2>err
mv out bare
observe </dev/null >out 2>err
mv out probed
diff bare probed
grep -qx '@: 5' maps

(
	trap '' USR1 PIPE
	exec 7<"$0"
	export LD_PRELOAD="" LD_BIND_NOW=1 ODD='a=b c'
	umask 027
	"$victim" one two </dev/null >out 2>err
	mv out bare
	observe </dev/null >out 2>err
	mv out probed
)
diff bare probed
grep -qx '@: 5' maps
echo same
