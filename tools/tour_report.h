// TourReport: shows a call, what it gave and whether memory is shared, and checks all of it.
//
//   TourReport tour(std::cout);
//   tour.chapter([&] {
//     tour.section("From a host array");
//     Tensor t = tour.made(TOUR_CALL(from_numpy(a)), "tensor([1., 2., 3.])");
//     tour.shares(side("a", a), side("t", t));             // writes through a, looks at t
//     tour.refused(TOUR_CALL(from_numpy(swapped)), "byte order");
//   });
//   return tour.finish();                                  // the table; 1 if something was not as
//   stated
#ifndef TENON_TOOLS_TOUR_REPORT_H_
#define TENON_TOOLS_TOUR_REPORT_H_

#include <functional>
#include <iosfwd>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tenon/base/error.h"
#include "tenon/interop/ndarray.h"
#include "tenon/tensor/tensor.h"

namespace tenon::tools {

// The words of a call and the call.
#define TOUR_CALL(...) #__VA_ARGS__, [&] { return __VA_ARGS__; }

// One of two things that may look at the same memory: its first element, read and written.
struct Side {
  std::string name;
  DType dtype;
  std::function<double()> read;
  std::function<void(double)> write;
};
Side side(std::string name, const Tensor& t);
Side side(std::string name, const interop::NdArray& a);  // float32, float64 or int64

class TourReport {
 public:
  explicit TourReport(std::ostream& out) : out_(out) {}

  // A call that fails unexpectedly ends its chapter, not the tour.
  void chapter(const std::function<void()>& calls);
  void section(std::string_view title, std::string_view text = "");
  void note(std::string_view text);

  // Runs the call, shows what it returned (a tensor, an array, a number, a text), and expects its
  // text to be `expected`.
  template <class Call>
  auto made(std::string_view call, Call&& run, std::string_view expected);
  // Runs a statement.
  template <class Call>
  void done(std::string_view call, Call&& run);
  // The call must throw tenon::Error with these words in its message.
  void refused(std::string_view call, const std::function<void()>& run, std::string_view words);

  // What the last call made: `to`, from `from`. A number is written through `from` (through `to`
  // where `from` is read-only) and looked for on the other side, then put back.
  void shares(const Side& from, const Side& to) { memory(from, to, true); }
  void copies(const Side& from, const Side& to) { memory(from, to, false); }

  // The table of all calls that converted or refused; 0, or 1 if something was not as stated.
  int finish();

 private:
  struct Row {
    std::string call;
    std::vector<std::string> memory, dtype, refusals;
  };

  void show_call(std::string_view call);
  void show_result(std::string_view text, std::string_view expected);
  void show_kind(const Tensor& t);
  void show_kind(const interop::NdArray& a);
  void memory(const Side& from, const Side& to, bool shared);
  void line(std::string_view text, size_t indent = 4);
  void unexpected(std::string_view expected);  // says so, and counts
  Row& row();                                  // of the last call

  std::ostream& out_;
  std::string last_call_;
  std::vector<Row> rows_;
  int calls_ = 0, unexpected_ = 0;
};

std::string result_text(const Tensor& t);
std::string result_text(const interop::NdArray& a);  // "array([1., 2., 3.])"
std::string result_text(double value);
std::string result_text(int64_t value);
std::string result_text(bool value);
inline std::string result_text(std::string text) { return text; }

template <class Call>
auto TourReport::made(std::string_view call, Call&& run, std::string_view expected) {
  show_call(call);
  auto result = run();
  show_result(result_text(result), expected);
  if constexpr (requires { show_kind(result); }) show_kind(result);
  return result;
}

template <class Call>
void TourReport::done(std::string_view call, Call&& run) {
  show_call(call);
  run();
}

}  // namespace tenon::tools

#endif  // TENON_TOOLS_TOUR_REPORT_H_
