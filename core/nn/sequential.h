// Sequential: layers one after the other.
//
//   nn::Sequential model(nn::Linear(64, 128), nn::Relu(), nn::Linear(128, 10));
//   model.add(nn::Relu());
//   Tensor logits = model(x);
//   model.parameters();          // 0.weight, 0.bias, 2.weight, 2.bias
//
// Owns its layers, which are moved in; a copy of a Sequential shares them. Without layers it
// returns its input.
#ifndef TENON_NN_SEQUENTIAL_H_
#define TENON_NN_SEQUENTIAL_H_

#include <concepts>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tenon/nn/module.h"

namespace tenon::nn {

class Sequential : public Layer {
 public:
  Sequential() = default;
  template <std::derived_from<Layer>... Layers>
  explicit Sequential(Layers... layers) {
    (add(std::move(layers)), ...);
  }

  template <std::derived_from<Layer> L>
  Sequential& add(L layer) {
    layers_.push_back(std::make_shared<L>(std::move(layer)));
    return *this;
  }

  size_t size() const { return layers_.size(); }
  Layer& operator[](size_t i) { return *layers_.at(i); }

  void members(Members& list) override {
    for (size_t i = 0; i < layers_.size(); ++i) list(std::to_string(i), *layers_[i]);
  }
  Tensor forward(const Tensor& x) override {
    Tensor y = x;
    for (const auto& layer : layers_) y = layer->forward(y);
    return y;
  }

 private:
  std::vector<std::shared_ptr<Layer>> layers_;
};

}  // namespace tenon::nn

#endif  // TENON_NN_SEQUENTIAL_H_
