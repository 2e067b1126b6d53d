// The walk over a graph; what backward() and grad() share.
#ifndef TENON_AUTOGRAD_ENGINE_H_
#define TENON_AUTOGRAD_ENGINE_H_

#include <span>

#include "tenon/tensor/impl.h"

namespace tenon {

struct WalkTarget {
  Node* node;
  uint32_t output_index;
  Tensor gradient;  // out
};

// From the roots' gradients to the leaves. With `targets` the gradients that reach these records
// are collected and no leaf is touched; without, leaves accumulate.
void walk_graph(std::span<const Tensor> roots, std::span<const Tensor> gradients, bool keep_graph,
                bool create_graph, std::span<WalkTarget> targets);

}  // namespace tenon

#endif  // TENON_AUTOGRAD_ENGINE_H_
