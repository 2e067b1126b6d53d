// PackLaunch: the struct that a generated kernel takes by value, as 64-bit words.
//
//   LaunchWords w = PackLaunch(source, launch);   // launch passed tenon_check_launch
//   // w.words.data(): the last kernel argument, w.words.size() * 8 bytes
//
// Axes of size 1 are dropped and axes that lie densely behind one another in every operand become
// one; the reduced axes come after the others.
#ifndef TENON_BACKENDS_CODEGEN_LAUNCH_WORDS_H_
#define TENON_BACKENDS_CODEGEN_LAUNCH_WORDS_H_

#include <cstdint>
#include <vector>

#include "tenon/abi/tenon_backend.h"
#include "tenon/backends/codegen/emit.h"

namespace tenon_codegen {

struct LaunchWords {
  int64_t outer = 1, inner = 1;  // elements of the outputs, and per output
  int64_t outer_rank = 0, rank = 0;
  std::vector<uint64_t> words;

  // The kernel to launch, by the ending of its name.
  const char* variant(bool reduces) const {
    if (!reduces) return outer_rank <= 1 ? "_flat" : "_strided";
    return per_group() ? "_group" : "_thread";
  }
  // Below this many elements a group would be mostly idle.
  bool per_group() const { return inner >= kGroupSize / 2; }
};

// The words of a launch with these many operands and scalars; a device limits them.
constexpr uint64_t CountLaunchWords(uint64_t operands, uint64_t scalars) {
  return 21 + 9 * operands + scalars;
}

LaunchWords PackLaunch(const KernelSource& kernel, const TenonLaunch& launch);

}  // namespace tenon_codegen

#endif  // TENON_BACKENDS_CODEGEN_LAUNCH_WORDS_H_
