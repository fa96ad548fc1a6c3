#!/bin/sh
# SPDX-License-Identifier: MIT
# Real programs under a storm of probes on their own libraries: real.sh PRELOAD.so. Their output
# must be what it is without. 77: neither program is installed.
set -eu
preload=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
ran=77

# storm LOG LIBS COMMAND...
storm() {
	log=$1 libs=$2
	shift 2
	STORM_LOG=$log STORM_LIBS=$libs LD_PRELOAD=$preload "$@"
}

python=$(python3 -c 'import sys, sqlite3, _hashlib; print(sys.executable)' 2>/dev/null || :)
if [ -n "$python" ]; then
	cat >"$dir/work.py" <<'PY'
import hashlib, sqlite3, zlib, time, sys
end = time.time() + 6
rounds = 0
data = bytes(range(256)) * 400
total = set()
while time.time() < end:
    h = hashlib.new("sha512", data, usedforsecurity=False)
    h.update(hashlib.md5(data).digest())
    h.update(hashlib.pbkdf2_hmac("sha256", b"x", b"salt", 50))
    db = sqlite3.connect(":memory:")
    db.execute("create table t (a integer primary key, b text)")
    db.executemany("insert into t (b) values (?)", ((str(i * 7919 % 1009),) for i in range(300)))
    s = db.execute("select sum(a), count(distinct b), max(b) from t where a % 3 = 1").fetchone()
    db.close()
    total.add((h.hexdigest(), s))
    rounds += 1
print(total)
assert rounds > 3
PY
	"$python" "$dir/work.py" >"$dir/bare"
	storm "$dir/log" "libcrypto libsqlite3" "$python" "$dir/work.py" >"$dir/probed"
	cmp "$dir/bare" "$dir/probed"
	echo "python3: $(cat "$dir/log")"
	ran=0
fi

if command -v redis-server >/dev/null && command -v redis-benchmark >/dev/null; then
	storm "$dir/log" "libjemalloc libcrypto" redis-server --port 0 \
		--unixsocket "$dir/sock" --save '' --daemonize no >"$dir/redis.out" &
	pid=$!
	for _ in $(seq 50); do
		[ -S "$dir/sock" ] && break
		sleep 0.1
	done
	redis-benchmark -s "$dir/sock" -q -n 60000 -t set,get,lpush,lrange_100,mset >"$dir/bench.out"
	redis-cli -s "$dir/sock" set answer 42 >/dev/null
	[ "$(redis-cli -s "$dir/sock" get answer)" = 42 ]
	redis-cli -s "$dir/sock" shutdown nosave || :
	wait "$pid"
	echo "redis-server: $(cat "$dir/log")"
	ran=0
fi
exit $ran
