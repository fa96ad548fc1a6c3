#!/bin/sh
# SPDX-License-Identifier: MIT
# bench/entry.sh BUILD/bench: what does `uprobe:BIN:work { @ = count(); }` cost? The victim times its
# own loop: bare, under Sonde, and under a kernel uprobe that does the same (a counting perf
# event); variants interleaved, medians of ROUNDS. The machine is noisy: compare within one run.
set -eu
out=$1
build=$(cd "$out/.." && pwd)
victim=$out/bench_entry
rounds=${ROUNDS-7}
calls=${CALLS-20000000}
kernel_calls=${KERNEL_CALLS-100000}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# The first instruction at an entry, as objdump words it: "48 8d 44 7f 01 lea ...".
first_instruction() {
	objdump -d --disassemble="$1" "$victim" | awk -F '\t' '
		NF >= 3 { gsub(/ +$/, "", $2); gsub(/ +/, " ", $3); print $3 " [" $2 "]"; exit }'
}

file_offset() {
	readelf -sW "$victim" | awk -v name="$1" '$8 == name { print $2; exit }' >"$dir/vaddr"
	readelf -lW "$victim" | awk '$1 == "LOAD" { print $2, $3, $5 }' >"$dir/loads"
	vaddr=$((0x$(cat "$dir/vaddr")))
	while read -r offset start size; do
		if [ $((start)) -le $vaddr ] && [ $vaddr -lt $((start + size)) ]; then
			printf '0x%x\n' $((vaddr - start + offset))
		fi
	done <"$dir/loads"
}

bare() {
	"$victim" "$1" "$calls" "$dir/ns"
	cat "$dir/ns" >>"$dir/$1.bare"
}

ours() {
	"$build/sonde" -q -o "$dir/maps" -e "uprobe:$victim:$1 { @ = count(); }" \
		-c "$victim $1 $calls $dir/ns"
	if ! grep -qx "@: $calls" "$dir/maps"; then
		echo "bench/entry.sh: Sonde counted something else than $calls:" >&2
		cat "$dir/maps" >&2
		exit 1
	fi
	cat "$dir/ns" >>"$dir/$1.sonde"
}

kernel() {
	"$build/tests/uprobe_count" -p "$victim:$2" -- "$victim" "$1" "$kernel_calls" "$dir/ns" \
		>"$dir/count" 2>"$dir/why" || return 0
	if ! grep -q " $kernel_calls\$" "$dir/count"; then
		echo "bench/entry.sh: the kernel counted something else than $kernel_calls" >&2
		exit 1
	fi
	cat "$dir/ns" >>"$dir/$1.kernel"
}

# "median minimum" of a file of numbers, or "null null" if there is none.
median() {
	if [ ! -s "$1" ]; then
		echo null null
		return
	fi
	sort -n "$1" | awk '{ v[NR] = $1 } END {
		print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2, v[1] }'
}

# Median of $1 less median of $2.
difference() {
	awk -v a="$1" -v b="$2" 'BEGIN { if (a == "null") print "null"; else printf "%.2f\n", a - b }'
}

row() {
	printf '%-10s %-44s %8s %8s %10s %12s\n' "$@"
}

echo "Cost of uprobe:BIN:work { @ = count(); }, ns per call; $rounds rounds, medians"
row function "first instruction" bare sonde "sonde-bare" "kernel-bare"
json=
for name in work_lea work_nop; do
	offset=$(file_offset "$name")
	i=0
	while [ $i -lt "$rounds" ]; do
		bare "$name"
		ours "$name"
		kernel "$name" "$offset"
		i=$((i + 1))
	done
	insn=$(first_instruction "$name")
	# shellcheck disable=SC2046 # pairs of numbers
	set -- $(median "$dir/$name.bare") $(median "$dir/$name.sonde") $(median "$dir/$name.kernel")
	cost=$(difference "$3" "$1")
	kernel_cost=$(difference "$5" "$1")
	row "$name" "$insn" "$1" "$3" "$cost" "$kernel_cost"
	json="$json${json:+,
}    {\"function\": \"$name\", \"first_instruction\": \"$insn\", \"bare_ns\": $1, \"bare_min_ns\": $2,
     \"sonde_ns\": $3, \"sonde_min_ns\": $4, \"kernel_ns\": $5, \"kernel_min_ns\": $6,
     \"sonde_cost_ns\": $cost, \"kernel_cost_ns\": $kernel_cost}"
	[ "$5" != null ] || echo "kernel uprobes left out: $(tail -n 1 "$dir/why")"
done
printf '{"benchmark": "entry", "rounds": %s, "calls": %s, "rows": [\n%s\n]}\n' \
	"$rounds" "$calls" "$json" >"$out/entry.json"
echo "written to $out/entry.json"
