#include "tenon/tensor/print.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <numeric>
#include <ostream>
#include <span>
#include <vector>

#include "tenon/device/copy.h"
#include "tenon/tensor/impl.h"
#include "tenon/tensor/tensor.h"

namespace tenon {
namespace {

// The rules of PyTorch's printing with its default options (torch/_tensor_str.py), which people
// know by sight.
constexpr int64_t kSummarizeAbove = 1000;  // elements
constexpr int64_t kEdge = 3;               // shown at each end of an axis that is cut
constexpr int kPrecision = 4;              // decimals
constexpr int kLineWidth = 80;

// --- which elements are shown ---

struct Axis {
  int64_t size, stride;
  bool cut;  // only its ends are shown

  int64_t shown() const { return cut ? 2 * kEdge : size; }
  int64_t offset(int64_t i) const {
    return (cut && i >= kEdge ? size - 2 * kEdge + i : i) * stride;
  }
};

std::vector<Axis> shown_axes(DimsView shape, DimsView strides) {
  const bool summarize = element_count("text", shape) > kSummarizeAbove;
  std::vector<Axis> axes;
  for (size_t i = 0; i < shape.size(); ++i) {
    axes.push_back({shape[i], strides[i], summarize && shape[i] > 2 * kEdge});
  }
  return axes;
}

// Where the shown elements lie, in elements from the first, in the order of printing.
std::vector<int64_t> shown_offsets(std::span<const Axis> axes) {
  std::vector<int64_t> offsets = {0};
  for (const Axis& axis : axes) {
    std::vector<int64_t> inner;
    inner.reserve(offsets.size() * static_cast<size_t>(axis.shown()));
    for (const int64_t outer : offsets) {
      for (int64_t i = 0; i < axis.shown(); ++i) inner.push_back(outer + axis.offset(i));
    }
    offsets = std::move(inner);
  }
  return offsets;
}

std::vector<std::byte> read_from_host(const void* first, int64_t item,
                                      std::span<const int64_t> offsets) {
  std::vector<std::byte> values(offsets.size() * static_cast<size_t>(item));
  for (size_t i = 0; i < offsets.size(); ++i) {
    std::memcpy(values.data() + i * static_cast<size_t>(item),
                static_cast<const std::byte*>(first) + offsets[i] * item,
                static_cast<size_t>(item));
  }
  return values;
}

// Elements that are near each other in memory travel in one copy, in whatever order they are shown.
std::vector<std::byte> read_from_device(const TensorImpl& t, std::span<const int64_t> offsets) {
  constexpr int64_t kNear = 64;  // elements; bytes read in vain are cheaper than a copy more
  const auto item = static_cast<size_t>(item_size(t.dtype));
  std::vector<size_t> order(offsets.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return offsets[a] < offsets[b]; });

  StreamState& stream = current_stream(t.device());
  use_on_stream(*t.storage, stream);
  std::vector<std::byte> values(offsets.size() * item), run;
  for (size_t i = 0; i < order.size();) {
    size_t end = i + 1;
    while (end < order.size() && offsets[order[end]] - offsets[order[end - 1]] <= kNear) ++end;
    const int64_t low = offsets[order[i]];
    run.resize(static_cast<size_t>(offsets[order[end - 1]] - low + 1) * item);
    copy_to_host(stream, run.data(), t.storage->memory.buffer,
                 t.byte_offset() + static_cast<uint64_t>(low) * item, run.size());
    for (; i < end; ++i) {
      const auto at = static_cast<size_t>(offsets[order[i]] - low);
      std::memcpy(values.data() + order[i] * item, run.data() + at * item, item);
    }
  }
  return values;
}

// --- elements as text ---

// How all numbers of one tensor are written, and how wide.
class FloatFormat {
 public:
  explicit FloatFormat(std::span<const double> values) {
    double least = INFINITY, greatest = 0;
    bool whole = true;
    for (const double v : values) {
      if (!shapes_format(v)) continue;
      least = std::min(least, std::abs(v));
      greatest = std::max(greatest, std::abs(v));
      whole = whole && v == std::trunc(v);
    }
    if (greatest == 0) return;
    if (greatest / least > 1000 || greatest > 1e8 || (!whole && least < 1e-4)) {
      style_ = std::chars_format::scientific, decimals_ = kPrecision;
    } else if (!whole) {
      decimals_ = kPrecision;
    }
    for (const double v : values) {
      if (shapes_format(v)) width_ = std::max(width_, text(v).size());
    }
  }

  size_t width() const { return width_; }

  std::string text(double v) const {
    if (std::isnan(v)) return "nan";
    if (std::isinf(v)) return v < 0 ? "-inf" : "inf";
    char buffer[64];  // fixed numbers are below 1e8
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, v, style_, decimals_).ptr;
    std::string out(buffer, end);
    if (decimals_ == 0) out += '.';
    return out;
  }
  std::string padded(double v) const {
    const std::string out = text(v);
    return std::string(width_ - std::min(width_, out.size()), ' ') + out;
  }

 private:
  static bool shapes_format(double v) { return std::isfinite(v) && v != 0; }

  std::chars_format style_ = std::chars_format::fixed;
  int decimals_ = 0;
  size_t width_ = 1;
};

struct Cells {
  std::vector<std::string> texts;
  size_t width = 1;  // that lines are filled by
};

Cells float_cells(std::span<const double> values) {
  const FloatFormat format(values);
  Cells cells{{}, format.width()};
  for (const double v : values) cells.texts.push_back(format.padded(v));
  return cells;
}

Cells complex_cells(std::span<const double> real, std::span<const double> imag) {
  const FloatFormat real_format(real), imag_format(imag);
  Cells cells{{}, real_format.width() + imag_format.width() + 1};
  for (size_t i = 0; i < real.size(); ++i) {
    const std::string imag_text = imag_format.text(imag[i]);
    cells.texts.push_back(real_format.padded(real[i]) + (imag_text[0] == '-' ? "" : "+") +
                          imag_text + "j");
  }
  return cells;
}

Cells pad(std::vector<std::string> texts) {
  Cells cells{std::move(texts), 1};
  for (const std::string& text : cells.texts) cells.width = std::max(cells.width, text.size());
  for (std::string& text : cells.texts) text.insert(0, cells.width - text.size(), ' ');
  return cells;
}

Cells cells_of(DType dtype, const std::vector<std::byte>& bytes) {
  return visit_dtype(dtype, [&]<class T>() -> Cells {
    if constexpr (std::is_same_v<T, bool>) {  // memory of others may hold other bytes than 0 and 1
      std::vector<std::string> texts;
      texts.reserve(bytes.size());
      for (const std::byte b : bytes) texts.emplace_back(b != std::byte(0) ? "True" : "False");
      return pad(std::move(texts));
    } else {
      std::vector<T> values(bytes.size() / sizeof(T));
      if (!bytes.empty())
        std::memcpy(static_cast<void*>(values.data()), bytes.data(), bytes.size());
      if constexpr (std::is_integral_v<T>) {
        std::vector<std::string> texts;
        texts.reserve(values.size());
        for (const T v : values) texts.push_back(std::to_string(v));
        return pad(std::move(texts));
      } else if constexpr (std::is_convertible_v<T, double>) {
        return float_cells(std::vector<double>(values.begin(), values.end()));
      } else {
        std::vector<double> real, imag;
        for (const T& v : values) real.push_back(v.real), imag.push_back(v.imag);
        return complex_cells(real, imag);
      }
    }
  });
}

// --- brackets ---

class Brackets {
 public:
  Brackets(std::span<const Axis> axes, const Cells& cells, int indent)
      : axes_(axes), cells_(cells), indent_(static_cast<size_t>(indent)) {}

  std::string text() {
    if (axes_.empty()) return cells_.texts.front();
    append(0);
    return std::move(out_);
  }

 private:
  void append(size_t depth) {
    const bool last = depth + 1 == axes_.size();
    const Axis& axis = axes_[depth];
    const size_t indent = indent_ + depth;
    const size_t room = kLineWidth > indent ? kLineWidth - indent : 0;
    const size_t per_line = std::max<size_t>(1, room / (cells_.width + 2));
    // Rows stand on lines of their own, with empty lines between blocks of more dimensions.
    const std::string new_line =
        std::string(last ? 1 : axes_.size() - 1 - depth, '\n') + std::string(indent + 1, ' ');
    size_t written = 0;
    const auto separate = [&] {
      if (written == 0) return;
      out_ += !last || written % per_line == 0 ? "," + new_line : ", ";
    };
    out_ += '[';
    for (int64_t i = 0; i < axis.shown(); ++i) {
      if (axis.cut && i == kEdge) {
        separate();
        out_ += last ? " ..." : "...";
        ++written;
      }
      separate();
      if (last) {
        out_ += cells_.texts[next_++];
      } else {
        append(depth + 1);
      }
      ++written;
    }
    out_ += ']';
  }

  const std::span<const Axis> axes_;
  const Cells& cells_;
  const size_t indent_;
  size_t next_ = 0;
  std::string out_;
};

std::string brackets(std::span<const Axis> axes, DType dtype, const std::vector<std::byte>& values,
                     int indent) {
  if (values.empty()) return "[]";
  const Cells cells = cells_of(dtype, values);
  return Brackets(axes, cells, indent).text();
}

// "(2, 0)", "(0,)": as Python writes a tuple.
std::string tuple_text(DimsView shape) {
  std::string out = "(";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) out += ", ";
    out += std::to_string(shape[i]);
  }
  return out + (shape.size() == 1 ? ",)" : ")");
}

std::vector<std::string> suffixes(const Tensor& t) {
  std::vector<std::string> out;
  const std::string device = t.device().text();
  if (device != "cpu") out.push_back("device='" + device + "'");
  const DType dtype = t.dtype();
  const bool empty = t.size() == 0;
  if (empty && t.ndim() != 1) out.push_back("size=" + tuple_text(t.shape()));
  // Without elements to tell them by, only one dtype is obvious.
  const bool obvious =
      dtype == kDefaultFloat ||
      (!empty && (dtype == kDefaultInt || dtype == DType::bool_ || dtype == DType::complex64));
  if (!obvious) out.push_back("dtype=" + std::string(dtype_name(dtype)));
  if (const char* operation = t.grad_fn_name()) {
    out.push_back("grad_fn=<" + std::string(operation) + ">");
  } else if (t.requires_grad()) {
    out.push_back("requires_grad=True");
  }
  return out;
}

}  // namespace

std::string array_text(DType dtype, DimsView shape, DimsView strides, const void* data,
                       int indent) {
  const std::vector<Axis> axes = shown_axes(shape, strides);
  return brackets(axes, dtype, read_from_host(data, item_size(dtype), shown_offsets(axes)), indent);
}

std::string Tensor::text() const {
  if (!defined()) return "tensor(undefined)";
  const std::string_view prefix = "tensor(";
  const int indent = static_cast<int>(prefix.size());
  std::string out(prefix);
  if (device().host_addressable()) {
    out += array_text(dtype(), shape(), strides(), raw_data(), indent);
  } else {
    const std::vector<Axis> axes = shown_axes(shape(), strides());
    out += brackets(axes, dtype(), read_from_device(*impl_, shown_offsets(axes)), indent);
  }
  size_t column = out.size() - (out.rfind('\n') + 1) + 2;  // no line break: npos + 1 is 0
  for (const std::string& suffix : suffixes(*this)) {
    if (column + suffix.size() + 2 > kLineWidth) {
      out += ",\n" + std::string(prefix.size(), ' ') + suffix;
      column = prefix.size() + suffix.size();
    } else {
      out += ", " + suffix;
      column += suffix.size() + 2;
    }
  }
  return out + ")";
}

std::ostream& operator<<(std::ostream& out, const Tensor& t) { return out << t.text(); }

}  // namespace tenon
