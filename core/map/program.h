// map::Program: an elementwise function as pure data. map::Kernel: a program, or a reduction around
// one.
//
// A program is a short list of instructions in the ABI's own format (tenon_backend.h): value i is
// the result of instruction i, operands name earlier values, outputs name values. It says nothing
// of shapes, memory or devices; the same program runs on every device, is derived (derive.h), split
// (partition.h) and printed.
//
//   Builder b;                                       // builder.h
//   Value x = b.input(DType::float32);
//   Program p = b.finish({exp(x) * 2.0});
//   text(p)  ->  "%0 = input 0 : float32\n%1 = exp %0 : float32\n..."
//
// Canonical form (what finish() gives): no dead instruction, equal instructions once, constants
// folded, inputs and scalars declared by one instruction each in order of number, commutative
// operands ordered. Two programs of one canonical form compare equal and have one hash. Programs
// are values; nothing here throws but std::bad_alloc.
#ifndef TENON_MAP_PROGRAM_H_
#define TENON_MAP_PROGRAM_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tenon/abi/tenon_backend.h"
#include "tenon/base/dtype.h"

namespace tenon::map {

using ValueId = uint16_t;
inline constexpr ValueId kNoValue = 0xFFFF;
inline constexpr int kMaxInstructions = 0xFFF0;

// "d result / d operand = slope", recorded by a row that knows a better formula than its opcodes'
// rules give. The reverse sweep consults it first. Rows with two operands leave two entries.
struct Slope {
  ValueId result, operand, slope;
  friend bool operator==(const Slope&, const Slope&) = default;
};

struct Program {
  std::vector<TenonInstr> code;
  std::vector<uint32_t> outputs;
  std::vector<DType> inputs;   // dtype of operand i; an unused input stays declared here
  std::vector<DType> scalars;  // dtype of run-time slot i
  // Side table; the instructions that only it needs stand in `code` too, so it is not what a device
  // gets: see without_slopes().
  std::vector<Slope> slopes;

  DType output_dtype(size_t i) const { return static_cast<DType>(code[outputs[i]].dtype); }
  bool uses(uint16_t opcode) const;  // INDEX, PHILOX ..
  friend bool operator==(const Program& a, const Program& b);
};

// The program a device runs: the side table dropped, and what became dead with it.
Program without_slopes(const Program& program);

// Equal programs have equal hashes, in every process (it names files of compiled kernels).
uint64_t content_hash(const Program& program);

// One line per instruction; for people, errors and tests.
std::string text(const Program& program);
const char* opcode_name(uint16_t opcode);
int opcode_arity(uint16_t opcode);
bool opcode_required(uint16_t opcode);

// What a device compiles: a map (no reducers), or a reduction: program -> reducers -> epilogue
// (see TenonKernelDesc). In a reduction `program.outputs` is empty and reducers name values.
struct Kernel {
  std::string name;  // of the operation, for messages: "softplus"; not part of equality
  Program program;
  std::vector<TenonReducer> reducers;
  Program epilogue;

  bool is_reduction() const { return !reducers.empty(); }
  size_t input_count() const { return program.inputs.size(); }
  size_t output_count() const {
    return is_reduction() ? epilogue.outputs.size() : program.outputs.size();
  }
  DType output_dtype(size_t i) const {
    return is_reduction() ? epilogue.output_dtype(i) : program.output_dtype(i);
  }
  size_t scalar_count() const {
    return program.scalars.size() > epilogue.scalars.size() ? program.scalars.size()
                                                            : epilogue.scalars.size();
  }
  friend bool operator==(const Kernel& a, const Kernel& b);
};
uint64_t content_hash(const Kernel& kernel);

}  // namespace tenon::map

#endif  // TENON_MAP_PROGRAM_H_
