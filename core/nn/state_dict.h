// StateDict: names and tensors, in an order: the values of a module or the state of an optimizer.
//
//   for (const auto& [name, tensor] : model.state_dict()) std::cout << name << ' ' << tensor.text()
//   << '\n';
//
// What weight files hold (interop/npz.h writes and reads them). Plain values; copying one shares
// the tensors' memory.
#ifndef TENON_NN_STATE_DICT_H_
#define TENON_NN_STATE_DICT_H_

#include <string>
#include <vector>

#include "tenon/tensor/tensor.h"

namespace tenon::nn {

struct NamedTensor {
  std::string name;
  Tensor tensor;
};
using StateDict = std::vector<NamedTensor>;

// Copies tensors by name into `targets` (handles: the memory they look at changes), all or nothing:
// names must be the same set, shapes equal, and dtypes equal or both floating. Otherwise throws
// kInvalidArgument, "<operation>: ...", which lists everything that does not fit.
void copy_state(std::string_view operation, const StateDict& source, const StateDict& targets);

}  // namespace tenon::nn

#endif  // TENON_NN_STATE_DICT_H_
