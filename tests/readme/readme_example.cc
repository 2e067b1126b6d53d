#include <iostream>

#include "tenon/tenon.h"

int main() {
  const tenon::Device device("cpu");  // or "cuda:1", or a device that plugs in
  const tenon::Tensor x = tenon::tensor({{1.0f, 2.0f}, {3.0f, 4.0f}}, device);
  const tenon::Tensor w = tenon::tensor({0.5f, -0.25f}, device).requires_grad_();

  const tenon::Tensor loss = mean(square(tanh(matmul(x, w)) - 1));
  loss.backward();

  std::cout << loss << "\n" << w.grad() << "\n";
}
