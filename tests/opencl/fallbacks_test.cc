// Exactly which operations OpenCL leaves to the host: those that need sort or nonzero, for which no
// backend has an entry. (Besides, core's tests run there with TENON_FALLBACK=error, but for those
// that BUILD files call with falls_back.)
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <map>
#include <ostream>
#include <set>
#include <string>

#include "tenon/device/plan.h"
#include "tenon/tenon.h"

namespace tenon {
namespace {

Device opencl() { return Device("opencl:0"); }
Tensor floats() { return tensor({{3.0f, 1.0f, 0.0f}, {1.0f, 0.0f, 2.0f}}, opencl()); }
Tensor places() { return tensor<int64_t>({1, 0}, opencl()); }
Tensor complexes() { return floats().astype(DType::complex64); }

struct Case {
  const char* name;
  std::function<void()> work;
  std::set<std::string> on_host = {};
};
std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.name; }

const Case kCases[] = {
    {"Elementwise", [] { where(floats() > 1.0f, exp(floats()), gelu(floats())); }},
    {"Casts", [] { floats().astype(DType::bfloat16).astype(DType::int8); }},
    {"Complex", [] { sum(real(exp(complexes()) * complexes())); }},
    {"Nextafter", [] { nextafter(floats(), 1.0f); }},
    {"Reductions",
     [] {
       var(floats(), {1});
       argmax(floats(), 0);
       all(floats() > 0.0f);
       count_nonzero(floats());
     }},
    {"Scans", [] { cumulative_sum(floats()); }},
    {"Matmul",
     [] {
       matmul(floats(), matrix_transpose(floats()));
       matmul(complexes(), matrix_transpose(complexes()));
       const Tensor half = floats().astype(DType::float16);
       matmul(half, matrix_transpose(half));
       matmul(places().reshape({1, 2}), places().reshape({2, 1}));
       tensordot(floats(), floats(), 2);
     }},
    {"Take", [] { take(floats(), places(), 1); }},
    {"IndexPut",
     [] {
       Tensor x = complexes();
       index_put_(x, {tensor<int64_t>({1, 1}, opencl())}, complexes().at({0}), true);
     }},
    {"Join",
     [] {
       const Tensor parts[] = {floats(), roll(flip(floats()), {1})};
       concat(parts, 1);
     }},
    {"Searchsorted",
     [] {
       searchsorted(tensor({1.0f, 2.0f}, opencl()), floats());
     }},
    {"Random",
     [] {
       dropout(normal({7}, 0, 1, DType::float32, opencl()), 0.5);
       randint({7}, 0, 5, DType::int64, opencl());
     }},
    {"Gradients",
     [] {
       Tensor x = floats().requires_grad_();
       sum(take(matmul(softmax(gelu(x)), matrix_transpose(x)), places())).backward();
       sum(layer_norm(x, {3}) * cross_entropy(x, places())).backward();
     }},
    {"Sort", [] { sort(floats()); }, {"sort"}},
    {"Argsort", [] { argsort(floats()); }, {"sort"}},
    {"Nonzero", [] { nonzero(floats()); }, {"nonzero"}},
    {"MaskedSelect", [] { masked_select(floats(), floats() > 1.0f); }, {"nonzero"}},
    {"Unique", [] { unique(floats()); }, {"nonzero", "sort"}},
};

std::map<std::string, uint64_t> counts() {
  std::map<std::string, uint64_t> counts;
  for (const FallbackCount& f : fallback_counts()) counts[f.operation] = f.count;
  return counts;
}

class Fallbacks : public testing::TestWithParam<Case> {};

TEST_P(Fallbacks, AreThese) {
  std::map<std::string, uint64_t> before = counts();
  GetParam().work();
  std::set<std::string> seen;
  for (const auto& [operation, count] : counts()) {
    if (count != before[operation]) seen.insert(operation);
  }
  EXPECT_EQ(seen, GetParam().on_host);
}

INSTANTIATE_TEST_SUITE_P(OnOpencl, Fallbacks, testing::ValuesIn(kCases),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace tenon
