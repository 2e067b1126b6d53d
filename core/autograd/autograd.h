// Reverse-mode differentiation over recorded graphs.
//
//   std::vector<Tensor> g = grad({loss}, {w, b});                       // gradients, leaves
//   untouched std::vector<Tensor> h = grad({sum(g[0] * g[0])}, {w});              // after
//   grad(..., {.create_graph = true})
//
// The engine walks any graph (no recursion: a chain of 100,000 records overflows nothing) from the
// newest record to the oldest. A graph is freed as it is walked unless retain_graph (create_graph
// implies it); a second walk over a freed part raises kAutograd. A saved value that was written
// since raises too and names the writer. Several threads may walk graphs that share leaves:
// accumulation is locked.
#ifndef TENON_AUTOGRAD_AUTOGRAD_H_
#define TENON_AUTOGRAD_AUTOGRAD_H_

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "tenon/tensor/tensor.h"

namespace tenon {

struct GradOptions {
  bool retain_graph = false;
  bool create_graph = false;  // the gradients can be differentiated again
  bool allow_unused =
      false;  // an input that the outputs do not depend on gives an undefined tensor, not an error
};

// d sum(outputs * gradients) / d inputs. gradients may be empty (ones; outputs of one element only)
// or hold an undefined tensor for such an output.
std::vector<Tensor> grad(std::span<const Tensor> outputs, std::span<const Tensor> inputs,
                         std::span<const Tensor> gradients = {}, GradOptions options = {});
inline std::vector<Tensor> grad(std::initializer_list<Tensor> outputs,
                                std::initializer_list<Tensor> inputs, GradOptions options = {}) {
  return grad(std::span<const Tensor>(outputs.begin(), outputs.size()),
              std::span<const Tensor>(inputs.begin(), inputs.size()), {}, options);
}
// As Tensor::backward, for several roots at once.
void backward(std::span<const Tensor> outputs, std::span<const Tensor> gradients = {},
              bool retain_graph = false, bool create_graph = false);

// A function with its own backward. Derive, then call apply(); saved tensors are checked for
// changes.
//
//   struct Cube : Function {
//     std::vector<Tensor> forward(std::span<const Tensor> x) override { save({x[0]}); return {x[0]
//     * x[0] * x[0]}; } std::vector<Tensor> backward(std::span<const Tensor> g) override { return
//     {g[0] * 3 * square(saved(0))}; }
//   };
//   Tensor y = apply(std::make_unique<Cube>(), {x})[0];
class Function {
 public:
  virtual ~Function() = default;
  // Runs without recording. Returns new tensors.
  virtual std::vector<Tensor> forward(std::span<const Tensor> inputs) = 0;
  // One gradient per input; an undefined tensor means zero. Missing output gradients come as zeros.
  // Recorded when the caller asked for create_graph, so write it with Tenon's operations.
  virtual std::vector<Tensor> backward(std::span<const Tensor> gradients) = 0;
  virtual const char* name() const { return "Function"; }

 protected:
  void save(std::vector<Tensor> tensors) { to_save_ = std::move(tensors); }
  // During backward: the saved tensor, checked.
  const Tensor& saved(size_t i) const;

 private:
  friend std::vector<Tensor> apply(std::unique_ptr<Function> function,
                                   std::span<const Tensor> inputs);
  friend struct FunctionRecord;
  std::vector<Tensor> to_save_, unpacked_;
};
std::vector<Tensor> apply(std::unique_ptr<Function> function, std::span<const Tensor> inputs);
inline std::vector<Tensor> apply(std::unique_ptr<Function> function,
                                 std::initializer_list<Tensor> inputs) {
  return apply(std::move(function), std::span<const Tensor>(inputs.begin(), inputs.size()));
}

// Compares analytic gradients with central differences, element by element, in float64.
struct GradcheckOptions {
  double step = 1e-6, absolute = 1e-5, relative = 1e-3;
  bool second_order = false;  // also the gradient of the gradient, along a fixed direction
};
// `inputs`: float64 leaves that require a gradient. Returns an empty string, or what is wrong:
// which input, which element, both values.
std::string gradcheck(absl::FunctionRef<Tensor(std::span<const Tensor>)> function,
                      std::span<const Tensor> inputs, GradcheckOptions options = {});

}  // namespace tenon

#endif  // TENON_AUTOGRAD_AUTOGRAD_H_
