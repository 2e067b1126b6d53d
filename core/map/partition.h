// Splitting a kernel into parts that fit a device.
//
// A device bounds the operands, instructions and scalar slots of one program; second derivatives
// exceed them. partition() cuts a kernel into parts that run one after the other and hand values on
// through temporaries.
#ifndef TENON_MAP_PARTITION_H_
#define TENON_MAP_PARTITION_H_

#include <cstdint>
#include <vector>

#include "tenon/map/program.h"

namespace tenon::map {

struct Limits {
  uint32_t max_operands, max_instructions, max_scalars;
};

// Where an operand of a part comes from or goes to.
struct PartOperand {
  bool temporary;  // false: operand `index` of the whole kernel (inputs and outputs numbered
                   // separately)
  uint32_t index;  // true: temporary `index`
};

struct Part {
  Kernel kernel;
  std::vector<PartOperand> inputs, outputs;
  std::vector<uint32_t> scalars;  // slot i of the part is this slot of the whole
};

struct Partition {
  std::vector<Part> parts;
  std::vector<DType> temporaries;  // each as large as the launch, alive from the part that writes
                                   // it to the last reader
};

// True if the kernel fits as it is.
bool fits(const Kernel& kernel, const Limits& limits);

// Each part fits `limits`; the parts together compute the kernel. A reduction's program is split in
// front of it; the last part is then the reduction. An output that is also an input (MAY_ALIAS) is
// written only by parts after the last one that reads this input. Limits below 4 operands, 4
// instructions or 1 scalar are not supported (the ABI promises 8, 32, 4): throws Error.
Partition partition(const Kernel& kernel, const Limits& limits);

}  // namespace tenon::map

#endif  // TENON_MAP_PARTITION_H_
