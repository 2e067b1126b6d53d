#include "tenon/nn/state_dict.h"

#include <algorithm>
#include <map>
#include <string_view>

namespace tenon::nn {
namespace {

bool dtypes_fit(DType from, DType to) {
  return from == to || ((is_floating(from) || is_float8(from)) && is_floating(to));
}

}  // namespace

void copy_state(std::string_view operation, const StateDict& source, const StateDict& targets) {
  std::string problems;
  const auto add = [&problems](const auto&... pieces) {
    problems += concat_text("\n  ", pieces...);
  };
  std::map<std::string_view, const Tensor*> given;
  for (const NamedTensor& entry : source) {
    if (!entry.tensor.defined()) add("undefined: ", entry.name);
    if (!given.emplace(entry.name, &entry.tensor).second) add("given twice: ", entry.name);
  }
  // Everything that can go wrong (also a copy to another device) is done before the first write.
  std::vector<Tensor> staged;
  staged.reserve(targets.size());
  for (const auto& [name, target] : targets) {
    const auto found = given.find(name);
    if (found == given.end()) {
      add("missing: ", name);
      continue;
    }
    const Tensor& value = *found->second;
    given.erase(found);
    if (!value.defined()) continue;
    const DimsView from = value.shape(), to = target.shape();
    if (!std::equal(from.begin(), from.end(), to.begin(), to.end())) {
      add("shape: ", name, " has ", shape_text(from), " where ", shape_text(to), " is expected");
    } else if (!dtypes_fit(value.dtype(), target.dtype())) {
      add("dtype: ", name, " has ", dtype_name(value.dtype()), " where ",
          dtype_name(target.dtype()), " is expected");
    } else if (problems.empty()) {
      staged.push_back(value.detach().to(target.dtype()).to(target.device()));
    }
  }
  for (const auto& [name, tensor] : given) add("unexpected: ", name);
  if (!problems.empty()) {
    fail(ErrorCode::kInvalidArgument, operation, "the state does not fit:", problems,
         "\nNothing was changed; give the state of an object of the same structure.");
  }
  const NoGradScope no_grad;
  for (size_t i = 0; i < targets.size(); ++i) {
    Tensor target = targets[i].tensor;
    target.copy_(staged[i]);
  }
}

}  // namespace tenon::nn
