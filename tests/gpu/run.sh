#!/usr/bin/env bash
# Runs everything on a GPU and prints a table last. No Bazel, no network.
#   ./run.sh [all | tests | train | bench | sanitizer]
# The exit status is 0 only if all of it ran and nothing failed; 3 where there is no usable device.
# TENON_GPU_DEVICE (cuda:0) names the device; results/ keeps the logs.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 2
part=${1:-all}
device=${TENON_GPU_DEVICE:-cuda:0}
case $part in all | tests | train | bench | sanitizer) ;; *)
  sed -n '2,5s/^# \?//p' "$0" >&2
  exit 2 ;;
esac
mkdir -p results
names=() outcomes=() seconds=() notes=() failed=0

if [ ! -d bin ]; then
  tar -xf programs.tar.xz || { echo "run.sh: cannot unpack programs.tar.xz (is xz installed?)" >&2; exit 2; }
fi

# ---- libraries: those of ours that this machine lacks (a newer libstdc++ of its own is better), and the
# toolkit's, which the system has or the packages of a Python. For our programs only, not for Python. ----
mkdir -p results/lib
missing=$(ldd bin/* 2>&1)
for library in lib/*; do
  name=${library##*/}
  case $name in
    libstdc++.so.*) pattern="$name => not found|GLIBCXX_[0-9.]*' not found|CXXABI_[0-9.]*' not found" ;;
    *) pattern="$name => not found" ;;
  esac
  if grep -qE "$pattern" <<< "$missing"; then ln -sf "../../$library" "results/lib/$name"; fi
done
python=$(command -v python3 || true)
libraries=$PWD/results/lib
if [ -n "$python" ]; then
  for d in $("$python" -c '
import glob, os, sys
for p in sys.path:
    for d in glob.glob(os.path.join(p, "nvidia", "*", "lib")):
        if any(os.path.basename(f).startswith(("libnvrtc.so", "libcublasLt.so")) for f in os.listdir(d)):
            print(d)
' 2>/dev/null); do
    libraries=$libraries:$d
  done
fi
plain_path=${LD_LIBRARY_PATH:-}
in_python() { LD_LIBRARY_PATH=$plain_path "$python" "$@"; }
export LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export TENON_BACKEND_PATH=$PWD/backends
export TENON_KERNEL_CACHE=${TENON_KERNEL_CACHE:-$PWD/results/kernels}
export TENON_TEST_DEVICE=$device

# ---- is there a device at all? ----
bin/devices > results/devices.log 2>&1
if ! grep -qF "$device" results/devices.log; then
  cat results/devices.log
  echo
  echo "run.sh: there is no device $device here; nothing was run. The reason is above."
  exit 3
fi
cat results/devices.log

# note NAME OUTCOME SECONDS TEXT: a line of the table.
note() {
  names+=("$1") outcomes+=("$2") seconds+=("$3") notes+=("$4")
  [ "$2" = passed ] || [ "$2" = skipped ] || failed=$((failed + 1))
  printf '%-34s %-8s %5s s  %s\n' "$1" "$2" "$3" "$4"
}
# check NAME LIMIT COMMAND...: runs it into results/NAME.log.
check() {
  local name=$1 limit=$2 start=$SECONDS status=0 text
  shift 2
  timeout "$limit" "$@" > "results/$name.log" 2>&1 || status=$?
  text=$(grep -c 'tenon warning:.* runs on the host' "results/$name.log")
  [ "$text" = 0 ] && text= || text="$text operations left to the host"
  case $status in
    0) note "$name" passed $((SECONDS - start)) "$text" ;;
    124) note "$name" failed $((SECONDS - start)) "took more than $limit s" ;;
    *) note "$name" failed $((SECONDS - start)) "status $status: $(grep -m1 -E 'Failure|error|\[  FAILED' "results/$name.log" | cut -c1-100)" ;;
  esac
}

tests() {
  local program
  for program in bin/*_test_program; do
    check "$(basename "${program%_program}")" 600 "$program"
  done
}

train() {
  check train_on_the_device 300 bin/train --device "$device" --seed 1 --out results/train_device
  check train_on_the_cpu 300 bin/train --device cpu --seed 1 --out results/train_cpu
  if [ -n "$python" ] && in_python -c 'import numpy' 2>/dev/null; then
    check the_weights_agree 60 env "LD_LIBRARY_PATH=$plain_path" "$python" compare.py weights results/train_device/weights.npz results/train_cpu/weights.npz
  else
    note the_weights_agree skipped 0 "no NumPy here"
  fi
}

bench() {
  local start=$SECONDS
  if bin/gpu_benchmark "$device" "${TENON_GPU_SECONDS:-0.3}" > results/bench.tsv 2> results/bench.log; then
    note benchmarks passed $((SECONDS - start)) "results/bench.tsv"
  else
    note benchmarks failed $((SECONDS - start)) "$(tail -1 results/bench.log)$(grep -m1 failed results/bench.tsv)"
  fi
  if [ -n "$python" ]; then
    in_python compare.py bench results/bench.tsv > results/compare.txt 2>&1 ||
      note comparison failed 0 "$(tail -1 results/compare.txt)"
  else
    cp results/bench.tsv results/compare.txt
  fi
}

sanitizer() {
  local tool
  tool=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null || true)
  if [ -z "$tool" ]; then
    note compute-sanitizer skipped 0 "not installed"
    return
  fi
  local program
  for program in index reduce elementwise matmul views; do
    [ -x "bin/${program}_test_program" ] || continue
    TENON_KERNEL_CACHE=off check "memcheck_$program" 400 "$tool" --tool memcheck --error-exitcode 9 "bin/${program}_test_program"
  done
  TENON_TEST_SMALL=1 check racecheck_reduce 400 "$tool" --tool racecheck --error-exitcode 9 bin/reduce_test_program
}

for p in tests train bench sanitizer; do
  if [ "$part" = all ] || [ "$part" = $p ]; then $p; fi
done

# ---- the table ----
{
  date -u '+%Y-%m-%d %H:%M UTC'
  nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null || true
  if [ -f results/compare.txt ] && { [ "$part" = all ] || [ "$part" = bench ]; }; then cat results/compare.txt; fi
  echo
  printf '%-34s %-8s %7s  %s\n' what outcome seconds note
  for i in "${!names[@]}"; do
    printf '%-34s %-8s %7s  %s\n' "${names[$i]}" "${outcomes[$i]}" "${seconds[$i]}" "${notes[$i]}"
  done
  echo
  echo "${#names[@]} checks, $failed failed"
} | tee results/table.txt
[ "$failed" = 0 ] && [ "${#names[@]}" -gt 0 ]
