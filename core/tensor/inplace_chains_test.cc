// Random chains of views and writes in place, differentiated twice, against finite differences.
#include <gtest/gtest.h>

#include <random>

#include "tenon/tenon.h"
#include "tests/tensor_values.h"

namespace tenon {
namespace {

// One random program over two leaves x [3, 4] and w [4]; the same program for the same seed.
class Chain {
 public:
  explicit Chain(uint64_t seed) : seed_(seed) {}
  const std::string& text() const { return text_; }

  Tensor run(std::span<const Tensor> leaves) {
    random_.seed(seed_);
    text_.clear();
    const Tensor &x = leaves[0], &w = leaves[1];
    std::vector<Tensor> pool;  // a base and views of it, views of views
    pool.push_back(pick(2) ? x * x : x.clone());
    if (pick(2)) pool[0] = pool[0].transpose().clone();  // a base that is dense but not row-major
    const int steps = 3 + pick(6);
    for (int i = 0; i < steps; ++i) {
      if (pick(2)) {
        const int of = pick(static_cast<int>(pool.size()));
        pool.push_back(view(pool[static_cast<size_t>(of)]));
        note("of " + std::to_string(of));
      } else {
        write(pool, w);
      }
    }
    // Every view is read, each with other weights.
    Tensor total = sum(w * w) * 0.1;
    for (size_t k = 0; k < pool.size(); ++k)
      total = total + sum(pool[k] * pool[k]) * (0.3 + 0.2 * static_cast<double>(k));
    return total;
  }

 private:
  int pick(int n) { return static_cast<int>(random_() % static_cast<uint64_t>(n)); }
  void note(const std::string& what) { text_ += what + "; "; }

  Tensor view(const Tensor& t) {
    const int axis = t.ndim() ? pick(t.ndim()) : 0;
    const int64_t size = t.ndim() ? t.size(axis) : 0;
    switch (pick(7)) {
      case 0:
        if (t.ndim() >= 2) return note("transpose"), t.transpose();
        [[fallthrough]];
      case 1:
        if (size >= 2) return note("slice"), slice(t, axis, pick(2), kUnset, 1 + pick(2));
        [[fallthrough]];
      case 2:
        if (t.ndim()) return note("flip"), flip(t, {axis});
        [[fallthrough]];
      case 3:
        if (size >= 1) return note("select"), select(t, axis, pick(static_cast<int>(size)));
        [[fallthrough]];
      case 4:
        if (t.size() > 0)
          return note("reshape"), t.reshape({-1});  // may be a copy, then a base of its own
        [[fallthrough]];
      case 5:
        return note("expand_dims"), expand_dims(t, 0);
      default: {
        Dims shape{2};
        for (int64_t s : t.shape()) shape.push_back(s);
        return note("broadcast"), t.broadcast_to(shape);
      }
    }
  }

  void write(std::vector<Tensor>& pool, const Tensor& w) {
    const int to = pick(static_cast<int>(pool.size()));
    Tensor t = pool[static_cast<size_t>(to)];
    if (may_self_overlap(t.shape(), t.strides())) return;
    note("in " + std::to_string(to));
    switch (pick(6)) {
      case 0:
        note("*=");
        t *= 1.5;
        return;
      case 1:
        note("+=");
        t += 0.25;
        return;
      case 2:
        note("-= w0");
        t -= w[pick(4)];
        return;
      case 3:
        note("copy_ of w0");
        t.copy_(w[1] * w[2]);
        return;
      case 4:
        note("fill_");
        t.fill_(0.5);
        return;
      default:
        // Of itself, reversed: reads before it writes.
        note("+= flip");
        t += flip(t) * 0.5;
        return;
    }
  }

  uint64_t seed_;
  std::mt19937_64 random_;
  std::string text_;
};

TEST(Chains, AgreeWithFiniteDifferences) {
  const bool host = test_device() == Device();
  const int rounds = host ? 300 : 12;
  for (int seed = 1; seed <= rounds; ++seed) {
    Chain chain(static_cast<uint64_t>(seed) * 7919);
    const Tensor leaves[] = {
        leaf({0.3, -0.7, 1.1, 0.4, -1.2, 0.8, 0.5, -0.2, 0.9, 1.3, -0.6, 0.1}, {3, 4}),
        leaf({0.7, -0.4, 1.2, 0.5})};
    const std::string wrong =
        gradcheck([&](std::span<const Tensor> x) { return chain.run(x); }, leaves,
                  {.absolute = 1e-6, .relative = 1e-5, .second_order = seed % 10 == 0});
    ASSERT_EQ(wrong, "") << "seed " << seed << ": " << chain.text();
  }
}

}  // namespace
}  // namespace tenon
