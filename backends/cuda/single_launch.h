// What a kernel of one opcode takes: the same struct for the host that fills it (single.cc) and the
// kernels (single.cuh).
#ifndef TENON_BACKENDS_CUDA_SINGLE_LAUNCH_H_
#define TENON_BACKENDS_CUDA_SINGLE_LAUNCH_H_

namespace tenon_cuda {

struct SingleOperand {
  unsigned long long address;  // of the first element; 0: a number
  unsigned long long bits;     // the number
  long long strides[8];        // elements; _strided only
};

// Division by a size that stays the same: n / size == (mulhi(n, magic) + n) >> shift for n < 2^31
// (Granlund and Montgomery, PLDI 1994).
struct SingleAxis {
  unsigned size, magic, shift;
};

// Elements that a thread of a _flat kernel takes at once, where the widest operand's items have
// these many bytes: 16 bytes of that one, but no more than 8 elements.
constexpr int SingleWidth(unsigned long item_bytes) {
  return item_bytes <= 2 ? 8 : static_cast<int>(16 / item_bytes);
}

struct SingleLaunch {
  long long count;   // elements; below 2^31 for _strided
  unsigned rank;     // _strided
  unsigned vectors;  // _flat: every address is a multiple of its operand's SingleWidth elements
  SingleAxis axes[8];
  SingleOperand operands[4];  // inputs, then the output
};

}  // namespace tenon_cuda

#endif  // TENON_BACKENDS_CUDA_SINGLE_LAUNCH_H_
