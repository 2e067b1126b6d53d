// The language's own part of the prelude (tenon/backends/codegen/prelude.h) for the host: kernels
// as C++ functions of a work item.
//
// To be included once, within no namespace: kernels are what a GPU's module has, names of the whole
// file.
#ifndef TENON_TESTS_CUDA_HOST_PRELUDE_H_
#define TENON_TESTS_CUDA_HOST_PRELUDE_H_

#include <cmath>
#include <cstdint>
#include <cstring>

#include "tenon/abi/tenon_half.h"
#include "tenon/abi/tenon_kit_special.h"
#include "tests/codegen/host_language.inc"
#include "tests/cuda/work_items.h"

#define KERNEL extern "C" __attribute__((visibility("default"))) void
#define LOCAL static thread_local
#define GLOBAL_ID ((i64)work_items::item.group * work_items::item.locals + work_items::item.local)
#define GLOBAL_SIZE ((i64)work_items::item.groups * work_items::item.locals)
#define GROUP_ID ((i64)work_items::item.group)
#define GROUP_COUNT ((i64)work_items::item.groups)
#define LOCAL_ID (work_items::item.local)
#define LOCAL_SIZE (work_items::item.locals)
#define BARRIER() work_items::Barrier()

// What indexing.cuh asks besides. Work items take turns, so that no atomicity is needed.
template <class T>
T host_add(T* p, T v) {
  const T was = *p;
  *p = was + v;
  return was;
}
template <class T>
T host_max(T* p, T v) {
  const T was = *p;
  if (v > was) *p = v;
  return was;
}
template <class T>
T host_swap_if(T* p, T old, T v) {
  const T was = *p;
  if (was == old) *p = v;
  return was;
}
// What rows.cuh asks besides: through memory, with barriers, as every lane of a warp calls it.
template <class T>
T host_shuffle_xor(T value, int mask) {
  static thread_local T values[1024];
  const int own = LOCAL_ID;
  values[own] = value;
  BARRIER();
  const T other = values[own ^ mask];
  BARRIER();
  return other;
}
#define SHUFFLE_XOR(value, mask) host_shuffle_xor(value, mask)
#define WORK_ITEMS(most)
#define ATOMIC_ADD(p, v) host_add(p, v)
#define ATOMIC_MAX(p, v) host_max(p, v)
#define ATOMIC_SWAP_IF(p, old, v) host_swap_if(p, old, v)

#endif  // TENON_TESTS_CUDA_HOST_PRELUDE_H_
