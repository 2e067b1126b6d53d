// A TenonProgram prepared for execution: checked, its array functions looked up, its values
// assigned to registers.
#ifndef TENON_BACKENDS_CPU_PROGRAM_H_
#define TENON_BACKENDS_CPU_PROGRAM_H_

#include <cstdint>
#include <vector>

#include "backends/cpu/kernels.h"
#include "tenon/abi/tenon_backend.h"

namespace tenon_cpu {

inline constexpr uint32_t kMaxOperands = 64;
inline constexpr uint32_t kMaxInstrs = 256;
inline constexpr uint32_t kMaxScalars = 64;
inline constexpr uint32_t kMaxItem = 16;  // bytes of the largest element, a c128
inline constexpr uint16_t kNoRegister = 0xffff;

enum class Kind : uint8_t {
  kInput,     // an operand of the launch
  kConstant,  // one element for all, known now
  kScalar,    // likewise, known at the launch
  kUniform,   // computed from those alone: once per chunk of work
  kIndex,
  kComputed,
};

struct Value {
  Kind kind;
  uint8_t dtype;
  uint8_t item;  // bytes
  bool filled;   // some use cannot take one element for all: then it is spread over its register
  uint16_t reg;
  uint16_t slot;  // operand, scalar slot
  uint64_t bits;  // of a constant
};

struct Step {
  ArrayFn fn;
  uint16_t value, a, b, c;
  bool heeds_splat;
};

struct Program {
  std::vector<Value> values;
  std::vector<Step> uniform_steps;
  std::vector<Step> steps;
  std::vector<uint16_t> inputs;       // values of kind kInput
  std::vector<uint16_t> indices;      // of kind kIndex
  std::vector<uint16_t> outputs;      // values, in the order of the operands
  std::vector<uint16_t> fixed;        // of kinds kConstant and kScalar
  std::vector<uint16_t> spread;       // uniform values that are filled
  std::vector<uint8_t> input_dtypes;  // by operand; 0 where the program reads none
  // An output computed before the last use of some input: it may not be written in place over one.
  bool outputs_early = false;
  // One of several outputs is an input, which writing another one in place may destroy.
  bool passes_inputs = false;
  RampFn ramp = nullptr;  // for indices
  uint32_t n_scalars = 0;
  uint32_t n_registers = 0;
  uint32_t register_item = 1;  // bytes of the largest element in a register
  int64_t block = 0;           // elements computed at a time
};

// Bytes of registers that an executing thread keeps on its stack.
inline constexpr int64_t kRegisterBytes = 96 << 10;

// `extra_uses`: values wanted besides the outputs (what reducers read). UNSUPPORTED for programs
// beyond our limits or with opcodes, dtypes and flags we do not know; INVALID_ARGUMENT for those
// that break the rules.
TenonStatus CompileProgram(const TenonProgram& source, const uint16_t* extra_uses,
                           uint32_t n_extra_uses, Program* program, TenonError* error);

// The rules of tenon_backend.h.
TenonStatus CheckProgram(const TenonProgram& source, TenonError* error);

}  // namespace tenon_cpu
#endif  // TENON_BACKENDS_CPU_PROGRAM_H_
