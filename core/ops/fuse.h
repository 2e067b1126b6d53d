// tenon::fuse: your own elementwise function, run in one pass over memory and differentiated from
// its formula.
//
//   const Fused scaled_tanh = fuse("scaled_tanh", 2, 1, [](const map::Value* x, map::Value* y) {
//     y[0] = tanh(x[0]) * x[1];
//   });
//   Tensor t = scaled_tanh({a, b})[0];
//
// The function is recorded once per combination of dtypes; operands are promoted to one dtype
// first. `scalars` are run-time slots: numbers that may change at every call without recompiling.
// run_inplace writes output i into the tensor targets[i] (which may also be an operand): what
// optimizers use.
#ifndef TENON_OPS_FUSE_H_
#define TENON_OPS_FUSE_H_

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "tenon/map/builder.h"
#include "tenon/ops/operand.h"

namespace tenon {

class LaunchList;  // device/launch_list.h
class MapOp;       // map_op.h

class Fused {
 public:
  // operands.size() == n_inputs, each a tensor or a number; results broadcast, all of one shape.
  std::vector<Tensor> operator()(std::span<const Operand> operands) const;
  std::vector<Tensor> operator()(std::initializer_list<Operand> operands) const {
    return (*this)(std::span<const Operand>(operands.begin(), operands.size()));
  }
  // Writes output i into targets[i] in place; records no graph and refuses targets that require a
  // gradient unless in a NoGradScope. All targets have the operands' broadcast shape.
  //
  // With `list` the launch may be put off until list->flush(), to be enqueued with others; till
  // then the tensors stay alive and nothing else reads the targets or writes the operands.
  void run_inplace(std::span<Tensor> targets, std::span<const Operand> operands,
                   LaunchList* list = nullptr) const;

 private:
  friend Fused fuse(std::string name, int n_inputs, int n_outputs,
                    std::function<void(const map::Value* inputs, map::Value* outputs)> function);
  MapOp* op_ = nullptr;  // lives as long as the process: records in graphs point to it
};

Fused fuse(std::string name, int n_inputs, int n_outputs,
           std::function<void(const map::Value* inputs, map::Value* outputs)> function);

}  // namespace tenon

#endif  // TENON_OPS_FUSE_H_
