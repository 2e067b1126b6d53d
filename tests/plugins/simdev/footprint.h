// Footprint: the bytes of its buffer that an operand or tensor names. simdev uses it to prove that
// core never sends an operand that leaves its buffer, nor outputs that overlap in a way the
// contract forbids.
#ifndef TENON_TESTS_PLUGINS_SIMDEV_FOOTPRINT_H_
#define TENON_TESTS_PLUGINS_SIMDEV_FOOTPRINT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tenon/abi/tenon_backend.h"

namespace simdev {

struct Footprint {
  TenonBuffer buffer = 0;
  uint64_t buffer_bytes = 0;
  uint64_t offset = 0;                  // bytes
  uint32_t item = 0;                    // bytes
  std::string name;                     // "output 1"
  std::vector<int64_t> sizes, strides;  // axes of size 1 or stride 0 left out
};

Footprint MakeFootprint(std::string name, TenonBuffer buffer, uint64_t buffer_bytes,
                        uint64_t offset, uint32_t dtype, uint32_t rank, const int64_t* sizes,
                        const int64_t* strides);

// Both: "" or what is wrong.
std::string CheckBounds(const Footprint& f);
// Outputs follow the inputs. Two operands may share bytes only if both are inputs, or if one is an
// input, the other an output of just the same elements, and `may_alias`.
std::string CheckAliasing(const std::vector<Footprint>& all, size_t n_inputs, bool may_alias);

}  // namespace simdev

#endif  // TENON_TESTS_PLUGINS_SIMDEV_FOOTPRINT_H_
