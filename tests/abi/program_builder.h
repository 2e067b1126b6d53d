// ProgramBuilder: writes a TenonProgram for a test.
//
//   ProgramBuilder p;
//   const auto x = p.Input(TENON_F32), y = p.Input(TENON_F32);
//   p.Output(p.Op(TENON_OP_ADD, TENON_F32, x, y));
//   MapKernel k(p);  // k.desc
#ifndef TENON_TESTS_ABI_PROGRAM_BUILDER_H_
#define TENON_TESTS_ABI_PROGRAM_BUILDER_H_

#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "tenon/abi/tenon_backend.h"

class ProgramBuilder {
 public:
  using Value = uint16_t;

  Value Input(uint16_t dtype) { return Add(TENON_OP_INPUT, dtype, 0, 0, 0, n_inputs_++); }
  Value Scalar(uint16_t dtype) { return Add(TENON_OP_SCALAR, dtype, 0, 0, 0, n_scalars_++); }
  template <class T>
  Value Const(uint16_t dtype, T value) {
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof value);
    return Add(TENON_OP_CONST, dtype, 0, 0, 0, bits);
  }
  Value Op(uint16_t op, uint16_t dtype, Value a = 0, Value b = 0, Value c = 0) {
    return Add(op, dtype, a, b, c, 0);
  }
  void Output(Value value) { outputs_.push_back(value); }
  void UseScalars(uint32_t n) { n_scalars_ = n; }

  // Points into the builder.
  TenonProgram Get() const {
    TenonProgram program = {};
    program.size = sizeof program;
    program.n_instr = static_cast<uint32_t>(instr_.size());
    program.n_inputs = n_inputs_;
    program.n_outputs = static_cast<uint32_t>(outputs_.size());
    program.n_scalars = n_scalars_;
    program.instr = instr_.data();
    program.outputs = outputs_.data();
    return program;
  }
  std::vector<TenonInstr>& instr() { return instr_; }

 private:
  Value Add(uint16_t op, uint16_t dtype, Value a, Value b, Value c, uint64_t imm) {
    instr_.push_back({op, dtype, a, b, c, 0, 0, imm});
    return static_cast<Value>(instr_.size() - 1);
  }

  std::vector<TenonInstr> instr_;
  std::vector<uint32_t> outputs_;
  uint32_t n_inputs_ = 0, n_scalars_ = 0;
};

// The description of a map kernel, or of a reduce kernel; points into the builders.
class KernelText {
 public:
  explicit KernelText(const ProgramBuilder& map) : program_(map.Get()) { Fill(); }
  KernelText(const ProgramBuilder& prologue, std::vector<TenonReducer> reducers,
             const ProgramBuilder& epilogue)
      : program_(prologue.Get()), epilogue_(epilogue.Get()), reducers_(std::move(reducers)) {
    Fill();
    desc.epilogue = &epilogue_;
    desc.reducers = reducers_.data();
    desc.n_reducers = static_cast<uint32_t>(reducers_.size());
  }
  KernelText(const KernelText&) = delete;
  KernelText& operator=(const KernelText&) = delete;

  TenonKernelDesc desc = {};

 private:
  void Fill() {
    desc.size = sizeof desc;
    desc.program = &program_;
  }
  TenonProgram program_ = {}, epilogue_ = {};
  std::vector<TenonReducer> reducers_;
};

// A launch over contiguous or given strides; owns its arrays.
class LaunchText {
 public:
  explicit LaunchText(std::vector<int64_t> sizes, uint32_t reduce_axes = 0) {
    launch.size = sizeof launch;
    launch.rank = static_cast<uint32_t>(sizes.size());
    launch.reduce_axes = reduce_axes;
    int64_t stride = 1;
    for (size_t d = sizes.size(); d-- > 0; stride *= sizes[d]) {
      launch.sizes[d] = sizes[d];
      launch.index_strides[d] = stride;
    }
  }
  LaunchText(const LaunchText&) = delete;
  LaunchText& operator=(const LaunchText&) = delete;

  // Row-major over all axes.
  LaunchText& Add(TenonBuffer buffer, uint32_t dtype, uint64_t offset = 0) {
    return Add(buffer, dtype, offset,
               std::vector<int64_t>(launch.index_strides, launch.index_strides + launch.rank));
  }
  LaunchText& Add(TenonBuffer buffer, uint32_t dtype, uint64_t offset,
                  const std::vector<int64_t>& strides) {
    TenonOperand operand = {};
    operand.buffer = buffer;
    operand.offset = offset;
    operand.dtype = dtype;
    for (size_t d = 0; d < strides.size(); ++d) operand.strides[d] = strides[d];
    operands_.push_back(operand);
    return Refresh();
  }
  template <class T>
  LaunchText& AddScalar(T value) {
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof value);
    scalars_.push_back(bits);
    return Refresh();
  }

  TenonLaunch launch = {};

 private:
  LaunchText& Refresh() {
    launch.operands = operands_.data();
    launch.n_operands = static_cast<uint32_t>(operands_.size());
    launch.scalars = scalars_.data();
    launch.n_scalars = static_cast<uint32_t>(scalars_.size());
    return *this;
  }
  std::vector<TenonOperand> operands_;
  std::vector<uint64_t> scalars_;
};

#endif  // TENON_TESTS_ABI_PROGRAM_BUILDER_H_
