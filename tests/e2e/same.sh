#!/bin/sh
# SPDX-License-Identifier: MIT
# same.sh SCRIPT CMD: runs CMD bare and observed by SCRIPT. What it prints on either output and its
# status must not differ; prints that status. The data is left in the file maps.
set -u
script=$1 cmd=$2

sh -c "exec $cmd" >out.bare 2>err.bare </dev/null
bare=$?
"$SONDE" -q -o maps -e "$script" -c "$cmd" >out.probed 2>err.all </dev/null
probed=$?
grep -v '^sonde: ' err.all >err.probed
if [ $bare != $probed ]; then
	echo "status $bare without probes, $probed with"
	cat err.all
	exit 1
fi
diff out.bare out.probed && diff err.bare err.probed || exit 1
grep -q '^@' maps || { echo "nothing was counted"; cat err.all; exit 1; }
echo "same, status $probed"
