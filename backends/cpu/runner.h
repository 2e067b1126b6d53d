// Executes a prepared program block by block. One runner per thread and piece of work; it allocates
// nothing.
//
// A block is a run of positions of a space. Where an operand is contiguous there it is used in
// place; one element for all is passed as such to the functions that take it; anything else is
// gathered into the value's register first.
#ifndef TENON_BACKENDS_CPU_RUNNER_H_
#define TENON_BACKENDS_CPU_RUNNER_H_

#include <cstdint>

#include "backends/cpu/program.h"
#include "backends/cpu/space.h"

namespace tenon_cpu {

class Runner {
 public:
  // `scalars`: the slots of the launch.
  Runner(const Program& program, const uint64_t* scalars);

  // How the operands of a space are reached: by whole lines of the innermost axis, or, where lines
  // are short, across them. `bases` are the addresses at position 0, by operand; all stay alive
  // while the runner is used.
  void Enter(const Space& space, const char* const* bases, int64_t index_base);

  // Always across lines: a block may be the whole space.
  void EnterAcross(const Space& space, const char* const* bases, int64_t index_base);

  // Binds inputs and indices at `position`; answers how many elements the block has, at most
  // `most`.
  int64_t Bind(int64_t position, int64_t most);

  // Or: binds inputs to arrays, input k at arrays[k], without a space.
  void BindArrays(char* const* arrays);

  // Outputs that are inputs are read now, before any output is written.
  void KeepInputs(int64_t n);

  // The value's results go to `to` instead of its register; nullptr: to its register again.
  void Direct(uint16_t value, char* to) { direct_[value] = to; }

  // Computes n elements of every step.
  void Run(int64_t n);

  // Whether blocks are parts of lines along the innermost axis.
  bool lines() const { return lines_; }
  // Binds an index that the program does not list, at the block of the last Bind.
  void FillIndex(uint16_t value, int64_t position, int64_t n);

  const char* At(uint16_t value) const { return at_[value]; }
  // A register's worth of a value's elements: spread out if it is one element for all.
  const char* Array(uint16_t value, int64_t n);

 private:
  char* Register(uint16_t value) {
    return registers_ + program_.values[value].reg * register_bytes_;
  }
  void Spread(uint16_t value, int64_t n);
  void SpreadUniforms(int64_t n);

  const Program& program_;
  const Space* space_ = nullptr;
  const char* const* bases_ = nullptr;
  int64_t index_base_ = 0;
  int64_t register_bytes_;
  bool lines_ = true;
  int64_t spread_ = 0;  // elements of the registers of uniform values that are filled
  const char* at_[kMaxInstrs];
  uint8_t splat_[kMaxInstrs];
  char* direct_[kMaxInstrs];
  alignas(16) char uniforms_[kMaxInstrs][16];
  alignas(64) char registers_[kRegisterBytes];
};

}  // namespace tenon_cpu
#endif  // TENON_BACKENDS_CPU_RUNNER_H_
