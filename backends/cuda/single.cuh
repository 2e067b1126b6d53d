// One template for the kernels of all opcodes. The generated files (write_single.cc) say
//
//   SINGLE(add_f32, add_f32, f32, f32, f32)   // name, function of the prelude, result, operands
//
// which makes add_f32_flat (every operand contiguous, or one number) and add_f32_strided (any
// strides). Written in the dialect of the prelude, so that the host's compiler reads it too
// (tests/cuda).
#ifndef TENON_BACKENDS_CUDA_SINGLE_CUH_
#define TENON_BACKENDS_CUDA_SINGLE_CUH_

#include "backends/cuda/single_launch.h"

namespace tenon_cuda {

template <class T, int V>
struct alignas(sizeof(T) * V) Pack {
  T x[V];
};

template <class... T>
constexpr unsigned long kWidest = 1;
template <class T, class... More>
constexpr unsigned long kWidest<T, More...> = kWidest<More...> > sizeof(T) ? kWidest<More...>
                                                                           : sizeof(T);

template <class T>
DEVICE T number(const SingleOperand& operand) {
  union {
    u64 bits;
    T value;
  } both;
  both.bits = operand.bits;
  return both.value;
}

// Elements at, at + 1 ..., of which `left` exist.
template <int V, class T>
DEVICE Pack<T, V> load(const SingleOperand& operand, i64 at, i64 left, bool vectors) {
  Pack<T, V> pack;
  const T* const from = reinterpret_cast<const T*>(operand.address) + at;
  if (operand.address == 0) {
    for (int k = 0; k < V; ++k) pack.x[k] = number<T>(operand);
  } else if (vectors && left >= V) {
    pack = *reinterpret_cast<const Pack<T, V>*>(from);
  } else {
    for (int k = 0; k < V; ++k) pack.x[k] = k < left ? from[k] : T();
  }
  return pack;
}

template <int V, class T>
DEVICE void store(const SingleOperand& operand, i64 at, i64 left, bool vectors,
                  const Pack<T, V>& pack) {
  T* const to = reinterpret_cast<T*>(operand.address) + at;
  if (vectors && left >= V) {
    *reinterpret_cast<Pack<T, V>*>(to) = pack;
  } else {
    for (int k = 0; k < V; ++k) {
      if (k < left) to[k] = pack.x[k];
    }
  }
}

template <class T>
DEVICE T element(const SingleOperand& operand, i64 offset) {
  return operand.address == 0 ? number<T>(operand)
                              : reinterpret_cast<const T*>(operand.address)[offset];
}

// Where element number i lies in each of the first N operands.
template <int N>
DEVICE void locate(const SingleLaunch& launch, u32 i, i64 (&offsets)[N]) {
  for (int k = 0; k < N; ++k) offsets[k] = 0;
#pragma unroll
  for (int d = 7; d >= 0; --d) {
    if (d >= static_cast<int>(launch.rank)) continue;
    const SingleAxis axis = launch.axes[d];
    const u32 high = static_cast<u32>(static_cast<u64>(i) * axis.magic >> 32);
    const u32 quotient = (high + i) >> axis.shift, position = i - quotient * axis.size;
    i = quotient;
    for (int k = 0; k < N; ++k) offsets[k] += i64{position} * launch.operands[k].strides[d];
  }
}

template <auto F, class R, int V, class... A>
DEVICE Pack<R, V> apply(const Pack<A, V>&... operands) {
  Pack<R, V> result;
#pragma unroll
  for (int k = 0; k < V; ++k) result.x[k] = F(operands.x[k]...);
  return result;
}

// A copy's function.
template <class T>
DEVICE T same(T x) {
  return x;
}

template <int... K>
struct Numbers {};

template <auto F, class R, class... A, int... K>
DEVICE void flat(const SingleLaunch& launch, Numbers<K...>) {
  constexpr int V = SingleWidth(kWidest<R, A...>);
  const bool vectors = launch.vectors != 0;
  for (i64 at = GLOBAL_ID * V; at < launch.count; at += GLOBAL_SIZE * V) {
    const i64 left = launch.count - at;
    store<V>(launch.operands[sizeof...(A)], at, left, vectors,
             apply<F, R>(load<V, A>(launch.operands[K], at, left, vectors)...));
  }
}

template <auto F, class R, class... A, int... K>
DEVICE void strided(const SingleLaunch& launch, Numbers<K...>) {
  for (i64 i = GLOBAL_ID; i < launch.count; i += GLOBAL_SIZE) {
    i64 at[sizeof...(A) + 1];
    locate(launch, static_cast<u32>(i), at);
    reinterpret_cast<R*>(launch.operands[sizeof...(A)].address)[at[sizeof...(A)]] =
        F(element<A>(launch.operands[K], at[K])...);
  }
}

template <class>
DEVICE Numbers<0> numbers() {
  return {};
}
template <class, class>
DEVICE Numbers<0, 1> numbers() {
  return {};
}
template <class, class, class>
DEVICE Numbers<0, 1, 2> numbers() {
  return {};
}

#define SINGLE(NAME, FUNCTION, RESULT, ...)                                                      \
  KERNEL NAME##_flat(const tenon_cuda::SingleLaunch launch) {                                    \
    tenon_cuda::flat<FUNCTION, RESULT, __VA_ARGS__>(launch, tenon_cuda::numbers<__VA_ARGS__>()); \
  }                                                                                              \
  KERNEL NAME##_strided(const tenon_cuda::SingleLaunch launch) {                                 \
    tenon_cuda::strided<FUNCTION, RESULT, __VA_ARGS__>(launch,                                   \
                                                       tenon_cuda::numbers<__VA_ARGS__>());      \
  }

// INDEX: operand 0 holds index_base as its number and index_strides as its strides.
#define SINGLE_INDEX()                                              \
  KERNEL index_i64_strided(const tenon_cuda::SingleLaunch launch) { \
    for (i64 i = GLOBAL_ID; i < launch.count; i += GLOBAL_SIZE) {   \
      i64 at[2];                                                    \
      tenon_cuda::locate(launch, static_cast<u32>(i), at);          \
      reinterpret_cast<i64*>(launch.operands[1].address)[at[1]] =   \
          static_cast<i64>(launch.operands[0].bits) + at[0];        \
    }                                                               \
  }

}  // namespace tenon_cuda

#endif  // TENON_BACKENDS_CUDA_SINGLE_CUH_
