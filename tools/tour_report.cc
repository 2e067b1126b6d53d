#include "tools/tour_report.h"

#include <algorithm>
#include <memory>
#include <ostream>

#include "tenon/tensor/print.h"
#include "tools/text_table.h"

namespace tenon::tools {
namespace {

Dims element_strides(const interop::NdArray& a) {
  Dims strides = a.byte_strides();
  for (int64_t& s : strides) s /= item_size(a.dtype());
  return strides;
}

// "from_numpy(reversed)" -> "from_numpy", "x.detach().fill_(0)" -> "fill_", "t.item<float>()" ->
// "item".
std::string function_name(std::string_view call) {
  if (call.ends_with(')')) {  // from the last call's parenthesis on
    int depth = 0;
    size_t open = call.size();
    do {
      --open;
      depth += call[open] == ')' ? 1 : call[open] == '(' ? -1 : 0;
    } while (open > 0 && depth > 0);
    call = call.substr(0, open);
    if (call.ends_with('>')) call = call.substr(0, call.rfind('<'));
  }
  return std::string(call.substr(call.find_last_of(".: ") + 1));  // npos + 1 is 0
}

void add_once(std::vector<std::string>& list, std::string item) {
  if (std::find(list.begin(), list.end(), item) == list.end()) list.push_back(std::move(item));
}

std::string joined(const std::vector<std::string>& list, std::string_view separator) {
  std::string out;
  for (const std::string& item : list) out += (out.empty() ? "" : std::string(separator)) + item;
  return out.empty() ? "-" : out;
}

}  // namespace

Side side(std::string name, const Tensor& t) {
  // Through detach(): a probe is no part of the graph.
  const auto first = [t] {
    Tensor view = t.detach();
    while (view.ndim() > 0) view = view[0];
    return view;
  };
  return {std::move(name), t.dtype(), [first] { return first().item(); },
          t.read_only() ? std::function<void(double)>() : [first](double v) { first().fill_(v); }};
}

Side side(std::string name, const interop::NdArray& a) {
  const auto shared = std::make_shared<interop::NdArray>(a);
  const Dims origin(a.rank(), 0);
  const auto read = [shared, origin] {
    switch (shared->dtype()) {
      case DType::float32:
        return static_cast<double>(shared->at<float>(origin));
      case DType::float64:
        return shared->at<double>(origin);
      default:
        return static_cast<double>(shared->at<int64_t>(origin));
    }
  };
  const auto write = [shared, origin](double v) {
    switch (shared->dtype()) {
      case DType::float32:
        return shared->set<float>(origin, static_cast<float>(v));
      case DType::float64:
        return shared->set<double>(origin, v);
      default:
        return shared->set<int64_t>(origin, static_cast<int64_t>(v));
    }
  };
  return {std::move(name), a.dtype(), read, a.read_only() ? std::function<void(double)>() : write};
}

std::string result_text(const Tensor& t) { return t.text(); }
std::string result_text(const interop::NdArray& a) {
  return "array(" + array_text(a.dtype(), a.shape(), element_strides(a), a.data(), 6) + ")";
}
std::string result_text(double value) { return concat_text(value); }
std::string result_text(int64_t value) { return std::to_string(value); }
std::string result_text(bool value) { return value ? "true" : "false"; }

void TourReport::line(std::string_view text, size_t indent) {
  for (const std::string& piece : wrap(text, kTextWidth - indent)) {
    out_ << std::string(indent, ' ') << piece << '\n';
  }
}

void TourReport::chapter(const std::function<void()>& calls) {
  try {
    calls();
  } catch (const Error& e) {
    line(concat_text("refused: ", e.what()));
    unexpected("a result");
  }
}

void TourReport::section(std::string_view title, std::string_view text) {
  out_ << "\n== " << title << " ==\n";
  if (!text.empty()) line(text, 0);
}

void TourReport::note(std::string_view text) {
  out_ << '\n';
  line(text, 2);
}

void TourReport::show_call(std::string_view call) {
  ++calls_;
  last_call_ = call;
  out_ << '\n';
  line(call, 2);
}

void TourReport::show_result(std::string_view text, std::string_view expected) {
  line(text);
  if (text != expected) unexpected(expected);
}

void TourReport::show_kind(const Tensor& t) {
  std::string text = describe(t);
  if (!t.is_contiguous()) text += ", strides " + shape_text(t.strides());
  if (t.read_only()) text += ", read-only";
  line(text);
}

void TourReport::show_kind(const interop::NdArray& a) {
  std::string text = concat_text(dtype_name(a.dtype()), shape_text(a.shape()), " in host memory");
  if (!a.is_c_contiguous()) text += ", strides in bytes " + shape_text(a.byte_strides());
  if (a.read_only()) text += ", read-only";
  line(text);
}

void TourReport::refused(std::string_view call, const std::function<void()>& run,
                         std::string_view words) {
  show_call(call);
  try {
    run();
    line("not refused");
    unexpected(concat_text("an error: ", words));
  } catch (const Error& e) {
    const std::string_view message = e.what();
    line(concat_text("refused: ", message));
    if (message.find(words) == std::string_view::npos) unexpected(words);
    add_once(row().refusals, concat_text('"', words, '"'));
  }
}

void TourReport::memory(const Side& from, const Side& to, bool shared) {
  const Side &writer = from.write ? from : to, &reader = from.write ? to : from;
  const double before = reader.read(), kept = writer.read(), written = kept + 10;
  writer.write(written);
  const double after = reader.read();
  writer.write(kept);
  const bool seen = after != before;
  line(concat_text(seen ? "shares memory: " : "copied: ", written, " written to ", writer.name,
                   ", ", reader.name, seen ? " reads " : " still reads ", after));
  if (seen != shared) unexpected(shared ? "shared memory" : "a copy");
  add_once(row().memory, seen ? "shares" : "copies");
  add_once(row().dtype, from.dtype == to.dtype ? "keeps" : "as asked");
}

void TourReport::unexpected(std::string_view expected) {
  ++unexpected_;
  line(concat_text("UNEXPECTED; stated was: ", expected));
}

TourReport::Row& TourReport::row() {
  const std::string name = function_name(last_call_);
  for (Row& r : rows_) {
    if (r.call == name) return r;
  }
  rows_.push_back({name, {}, {}, {}});
  return rows_.back();
}

int TourReport::finish() {
  out_ << "\n== What was seen ==\n";
  TextTable table({"call", "memory", "dtype", "on refusal says"});
  // Those that give another tensor or array first.
  std::stable_partition(rows_.begin(), rows_.end(), [](const Row& r) { return !r.memory.empty(); });
  for (const Row& r : rows_) {
    table.add(
        {r.call, joined(r.memory, " or "), joined(r.dtype, " or "), joined(r.refusals, "\n")});
  }
  out_ << table.text() << '\n';
  out_ << calls_ << " calls, "
       << (unexpected_ == 0 ? "all as stated" : std::to_string(unexpected_) + " NOT as stated")
       << '\n';
  return unexpected_ == 0 ? 0 : 1;
}

}  // namespace tenon::tools
