#include "tenon/nn/module.h"

#include <map>
#include <set>

namespace tenon::nn {

std::string Members::full_name(std::string_view name) const {
  if (name.empty() || name.find('.') != std::string_view::npos) {
    fail(
        ErrorCode::kInvalidArgument, "Module::members", "the name '", name,
        "' is empty or has a '.'; names of members are joined by '.', so give each a name without");
  }
  return prefix_ + std::string(name);
}

void Members::operator()(std::string_view name, Tensor& parameter) {
  std::string full = full_name(name);
  for (const Parameter& known : parameters_) {
    if (known.name == full) {
      fail(ErrorCode::kInvalidArgument, "Module::members", "the name '", full,
           "' is listed twice; give every member a name of its own");
    }
  }
  if (parameter.defined()) parameters_.push_back({std::move(full), &parameter});
}

void Members::operator()(std::string_view name, Module& module) {
  std::string outer = full_name(name) + ".";
  outer.swap(prefix_);
  modules_.push_back(&module);
  module.members(*this);
  outer.swap(prefix_);
}

Members Module::list() const {
  Members list;
  auto* self = const_cast<Module*>(this);  // listing changes nothing
  list.modules_.push_back(self);
  self->members(list);
  return list;
}

std::vector<NamedTensor> Module::named_parameters() const {
  std::vector<NamedTensor> result;
  std::set<const TensorImpl*> seen;
  for (const auto& [name, tensor] : list().parameters_) {
    if (seen.insert(tensor->impl()).second) result.push_back({name, *tensor});
  }
  return result;
}

std::vector<Tensor> Module::parameters() const {
  std::vector<Tensor> result;
  for (NamedTensor& parameter : named_parameters()) result.push_back(std::move(parameter.tensor));
  return result;
}

StateDict Module::state_dict() const {
  StateDict result;
  for (const auto& [name, tensor] : list().parameters_) result.push_back({name, tensor->detach()});
  return result;
}

void Module::load_state_dict(const StateDict& state) {
  copy_state("load_state_dict", state, state_dict());
}

template <class Convert>
void Module::replace_parameters(Convert convert) {
  const Members members = list();
  std::map<const TensorImpl*, Tensor> replacement;  // by old tensor: tied weights stay tied
  for (const auto& [name, tensor] : members.parameters_) {
    Tensor& converted = replacement[tensor->impl()];
    if (converted.defined()) continue;
    converted = convert(tensor->detach());
    if (converted.shares_storage_with(*tensor)) {
      converted = *tensor;  // it is there already
    } else {
      converted.requires_grad_(tensor->requires_grad());
    }
  }
  for (const auto& [name, tensor] : members.parameters_) *tensor = replacement[tensor->impl()];
}

void Module::to(Device device) {
  replace_parameters([device](const Tensor& t) { return t.to(device); });
}

void Module::to(DType dtype) {
  replace_parameters([dtype](const Tensor& t) { return t.to(dtype); });
}

void Module::train(bool on) {
  for (Module* module : list().modules_) module->training_ = on;
}

void Module::zero_grad() {
  for (const auto& [name, tensor] : list().parameters_) tensor->set_grad(Tensor());
}

}  // namespace tenon::nn
