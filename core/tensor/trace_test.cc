// TENON_TRACE=1: a version error says which function of the program wrote.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tenon/tenon.h"
#include "tenon/tensor/impl.h"
#include "tests/tensor_values.h"

// A program's code stands outside of Tenon's namespace.
namespace program {

[[gnu::noinline]] void normalize_too_late(tenon::Tensor& x) {
  x /= 2.0;
  asm volatile("");  // no tail call: the frame stays
}

[[gnu::noinline]] void clear_rows(tenon::Tensor& x) {
  x[0].fill_(0);
  asm volatile("");
}

std::string error_after(void (*write)(tenon::Tensor& x)) {
  tenon::Tensor w = tenon::leaf({1, 2, 3, 4}, {2, 2}), x = tenon::make({1, 2, 3, 4}, {2, 2});
  const tenon::Tensor y = tenon::sum(w * x);
  write(x);
  return tenon::error_of(tenon::ErrorCode::kAutograd, [&] { y.backward(); });
}

TEST(Trace, NamesTheFunctionThatWrote) {
  setenv("TENON_TRACE", "1", 1);  // read once, at the first write
  if (std::system("addr2line --version >/dev/null 2>&1") != 0)
    GTEST_SKIP() << "needs addr2line (binutils)";
  const std::string first = error_after(&normalize_too_late), second = error_after(&clear_rows);
  EXPECT_TRUE(tenon::has(first, "last written by divide_ (in program::normalize_too_late"))
      << first;
  EXPECT_TRUE(tenon::has(second, "last written by fill_ (in program::clear_rows")) << second;
}

TEST(Trace, ForgetsStoragesThatAreGone) {
  setenv("TENON_TRACE", "1", 1);
  for (int i = 0; i < 1000; ++i) {
    tenon::Tensor t = tenon::make({1, 2});
    t += 1.0;
    EXPECT_TRUE(i % 100 || !tenon::write_trace::last_write_text(t.impl()->storage).empty() ||
                std::system("addr2line --version >/dev/null 2>&1") != 0);
  }
  EXPECT_EQ(tenon::write_trace::last_write_text(tenon::make({1, 2}).impl()->storage), "");
}

}  // namespace program
