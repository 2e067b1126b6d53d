// The rest of the Array API: grids and triangles, rearranging, running sums, searching, tensor
// products, complex parts, distinct elements.
#include "interop/python/numpy_array.h"
#include "tenon/ops/complex.h"
#include "tenon/ops/create.h"
#include "tenon/ops/elementwise.h"
#include "tenon/ops/join.h"
#include "tenon/ops/linear_algebra.h"
#include "tenon/ops/manipulate.h"
#include "tenon/ops/nextafter.h"
#include "tenon/ops/scan.h"
#include "tenon/ops/search.h"
#include "tenon/ops/sort.h"
#include "tenon/ops/unique.h"

namespace tenon::python {
namespace {

std::vector<Tensor> all_tensors(const char* operation, nb::args arrays) {
  std::vector<Tensor> tensors;
  for (nb::handle a : arrays) tensors.push_back(tensor_argument(operation, a.ptr()));
  return tensors;
}

nb::object tensor_tuple(std::vector<Tensor>&& tensors) {
  return nb::tuple(tensor_list(std::move(tensors)));
}

void bind_rearranging(nb::module_& m) {
  m.def(
      "tril", [](Self x, int64_t k) { return in_long_call(*x, [&] { return tril(*x, k); }); },
      nb::arg("x"), nb::kw_only(), nb::arg("k") = 0,
      "The triangle on and below the k-th diagonal, zeros elsewhere.");
  m.def(
      "triu", [](Self x, int64_t k) { return in_long_call(*x, [&] { return triu(*x, k); }); },
      nb::arg("x"), nb::kw_only(), nb::arg("k") = 0,
      "The triangle on and above the k-th diagonal, zeros elsewhere.");
  m.def(
      "meshgrid",
      [](nb::args arrays, const std::string& indexing) {
        return tensor_list(meshgrid(all_tensors("meshgrid", arrays), indexing));
      },
      nb::arg("arrays"), nb::arg("indexing") = "xy",
      "A grid's coordinates from its axes, as views.");
  m.def(
      "moveaxis",
      [](Self x, nb::handle source, nb::handle destination) {
        return moveaxis(*x, shape_argument("moveaxis", source.ptr()),
                        shape_argument("moveaxis", destination.ptr()));
      },
      nb::arg("x"), nb::arg("source"), nb::arg("destination"),
      "Axes moved to other positions; a view.");
  m.def(
      "unstack", [](Self x, int64_t axis) { return tensor_tuple(unstack(*x, axis)); }, nb::arg("x"),
      nb::kw_only(), nb::arg("axis") = 0, "The slices along an axis, as views.");
  m.def(
      "broadcast_arrays",
      [](nb::args arrays) {
        return tensor_list(broadcast_arrays(all_tensors("broadcast_arrays", arrays)));
      },
      nb::arg("arrays"), "All as views of their common shape.");
  m.def(
      "broadcast_shapes",
      [](nb::args shapes) {
        Dims common;
        for (nb::handle s : shapes)
          common = broadcast_shapes("broadcast_shapes", common,
                                    shape_argument("broadcast_shapes", s.ptr()));
        return nb::steal(shape_tuple(common));
      },
      nb::arg("shapes"), "The shape that these broadcast to.");
  m.def(
      "roll",
      [](Self x, nb::handle shift, nb::handle axis) {
        const Dims by = shape_argument("roll", shift.ptr()),
                   axes = axes_argument("roll", axis.ptr());
        return in_long_call(*x, [&] { return roll(*x, by, axes); });
      },
      nb::arg("x"), nb::arg("shift"), nb::kw_only(), nb::arg("axis") = nb::none(),
      "Elements shifted along axes, coming back at the other end.");
  m.def(
      "tile",
      [](Self x, nb::handle repetitions) {
        const Dims times = shape_argument("tile", repetitions.ptr());
        return in_long_call(*x, [&] { return tile(*x, times); });
      },
      nb::arg("x"), nb::arg("repetitions"), "x repeated as a whole along axes.");
  m.def(
      "repeat",
      [](Self x, nb::handle repeats, nb::handle axis) {
        const int64_t along = int_argument("repeat", "axis", axis.ptr(), kUnset);
        if (PyLong_Check(repeats.ptr())) {
          const int64_t times = int_argument("repeat", "repeats", repeats.ptr());
          return in_long_call(*x, [&] { return repeat(*x, times, along); });
        }
        const Tensor times = tensor_argument("repeat", repeats.ptr());
        return in_long_call(*x, [&] { return repeat(*x, times, along); });
      },
      nb::arg("x"), nb::arg("repeats"), nb::kw_only(), nb::arg("axis") = nb::none(),
      "Each element repeated in its place.");
  m.def(
      "astype",
      [](Self x, nb::handle dtype, bool copy, nb::handle device) {
        const DType d = dtype_argument(dtype.ptr());
        const std::optional<Device> where = optional_device_argument(device.ptr());
        return wrapped_or_self(x.object(), in_long_call(is_long(*x) || where.has_value(), [&] {
                                 const Tensor t = x->to(d, copy);
                                 return where.has_value() ? t.to(*where) : t;
                               }));
      },
      nb::arg("x"), nb::arg("dtype"), nb::kw_only(), nb::arg("copy") = true,
      nb::arg("device") = nb::none(),
      "Converted to another dtype; floats become integers towards zero, saturating.");
}

using Scan = Tensor (*)(const Tensor&, int64_t, bool);
void bind_scan(nb::module_& m, const char* name, Scan scan, const char* doc) {
  m.def(
      name,
      [name, scan](Self x, nb::handle axis, nb::handle dtype, bool include_initial) {
        if (axis.is_none() && x->ndim() != 1)
          fail(ErrorCode::kAxis, name, "axis is needed for ", x->ndim(), " dimensions");
        const int64_t along = int_argument(name, "axis", axis.ptr(), -1);
        const DType d = dtype_argument(dtype.ptr());
        return in_long_call(*x, [&] {
          if (d == DType::none) return scan(*x, along, include_initial);
          return scan(x->to(d), along, include_initial).to(d);
        });
      },
      nb::arg("x"), nb::kw_only(), nb::arg("axis") = nb::none(), nb::arg("dtype") = nb::none(),
      nb::arg("include_initial") = false, doc);
}

void bind_scans_and_searches(nb::module_& m) {
  bind_scan(m, "cumulative_sum", &cumulative_sum, "Running sums along an axis.");
  bind_scan(m, "cumulative_prod", &cumulative_prod, "Running products along an axis.");
  m.def(
      "diff",
      [](Self x, int64_t axis, int64_t n, nb::handle prepend, nb::handle append) {
        std::vector<Tensor> parts = {*x};
        if (!prepend.is_none()) parts.insert(parts.begin(), tensor_argument("diff", prepend.ptr()));
        if (!append.is_none()) parts.push_back(tensor_argument("diff", append.ptr()));
        return in_long_call(
            *x, [&] { return diff(parts.size() == 1 ? *x : concat(parts, axis), axis, n); });
      },
      nb::arg("x"), nb::kw_only(), nb::arg("axis") = -1, nb::arg("n") = 1,
      nb::arg("prepend") = nb::none(), nb::arg("append") = nb::none(),
      "x[i + 1] - x[i] along an axis, n times over.");
  m.def(
      "nonzero", [](Self x) { return tensor_tuple(in_long_call(*x, [&] { return nonzero(*x); })); },
      nb::arg("x"), "The positions of the elements that are not 0: one tensor per axis.");
  method(
      "nonzero", [](Self x) { return tensor_tuple(in_long_call(*x, [&] { return nonzero(*x); })); },
      "The positions of the elements that are not 0: one tensor per axis.");
  m.def(
      "count_nonzero",
      [](Self x, nb::handle axis, bool keepdims) {
        const Dims axes = axes_argument("count_nonzero", axis.ptr());
        return in_long_call(*x, [&] { return count_nonzero(*x, axes, keepdims); });
      },
      nb::arg("x"), nb::kw_only(), nb::arg("axis") = nb::none(), nb::arg("keepdims") = false,
      "How many elements are not 0.");
  m.def(
      "searchsorted",
      [](Self sorted, nb::handle values, const std::string& side, nb::handle sorter) {
        if (side != "left" && side != "right")
          fail(ErrorCode::kInvalidArgument, "searchsorted", "side is \"left\" or \"right\", not \"",
               side, "\"");
        const Tensor v = tensor_argument("searchsorted", values.ptr());
        const Tensor x = sorter.is_none()
                             ? *sorted
                             : take(*sorted, tensor_argument("searchsorted", sorter.ptr()));
        return in_long_call(v, [&] { return searchsorted(x, v, side == "right"); });
      },
      nb::arg("x1"), nb::arg("x2"), nb::kw_only(), nb::arg("side") = "left",
      nb::arg("sorter") = nb::none(), "Where each value would be inserted to keep x1 sorted.");
}

template <Tensor (*kFunction)(const Tensor&, int64_t, bool)>
void bind_sort(nb::module_& m, const char* name, const char* doc) {
  m.def(
      name,
      [](Self x, int64_t axis, bool descending, bool) {
        return in_long_call(*x, [&] { return kFunction(*x, axis, descending); });
      },
      nb::arg("x"), nb::kw_only(), nb::arg("axis") = -1, nb::arg("descending") = false,
      nb::arg("stable") = true, doc);
}

void bind_sorting(nb::module_& m) {
  bind_sort<&argsort>(m, "argsort",
                      "The positions (int64) of the elements in order; equal ones keep theirs.");
  bind_sort<&sort>(m, "sort", "The elements in order; NaN counts as larger than everything.");
  m.def(
      "unique_values", [](Self x) { return in_long_call(*x, [&] { return unique_values(*x); }); },
      nb::arg("x"), "The distinct elements, in ascending order; every NaN is distinct.");
  m.def(
      "_unique",
      [](Self x) {
        Unique u = in_long_call(*x, [&] { return unique(*x); });
        return tensor_tuple({u.values, u.indices, u.inverse, u.counts});
      },
      nb::arg("x"), "What unique_all() names.");
}

void bind_tensor_products(nb::module_& m) {
  m.def(
      "tensordot",
      [](Self a, Self b, nb::handle axes) {
        if (PyIndex_Check(axes.ptr())) {
          const int64_t n = int_argument("tensordot", "axes", axes.ptr());
          return in_long_call(true, [&] { return tensordot(*a, *b, n); });
        }
        const auto pair = nb::cast<nb::sequence>(axes);
        if (nb::len(pair) != 2)
          fail(ErrorCode::kInvalidArgument, "tensordot",
               "axes is a number or a pair of lists of axes");
        const Dims of_a = shape_argument("tensordot", nb::object(pair[0]).ptr()),
                   of_b = shape_argument("tensordot", nb::object(pair[1]).ptr());
        return in_long_call(true, [&] { return tensordot(*a, *b, of_a, of_b); });
      },
      nb::arg("x1"), nb::arg("x2"), nb::kw_only(), nb::arg("axes") = 2,
      "The sum over pairs of axes.");
  m.def(
      "vecdot",
      [](Self a, Self b, int64_t axis) {
        return in_long_call(*a, [&] { return vecdot(*a, *b, axis); });
      },
      nb::arg("x1"), nb::arg("x2"), nb::kw_only(), nb::arg("axis") = -1,
      "The scalar product along an axis.");
  m.def(
      "outer", [](Self a, Self b) { return in_long_call(true, [&] { return outer(*a, *b); }); },
      nb::arg("x1"), nb::arg("x2"), "x1[i] * x2[j]");
  m.def(
      "diagonal", [](Self x, int64_t offset) { return diagonal(*x, offset); }, nb::arg("x"),
      nb::kw_only(), nb::arg("offset") = 0, "The diagonal of the last two axes.");
  m.def(
      "trace",
      [](Self x, int64_t offset) { return in_long_call(*x, [&] { return trace(*x, offset); }); },
      nb::arg("x"), nb::kw_only(), nb::arg("offset") = 0, "The sum of the diagonal.");
  m.def(
      "real", [](Self x) { return wrapped_or_self(x.object(), real(*x)); }, nb::arg("x"),
      "The real part: a view for complex dtypes, x itself for others.");
  m.def(
      "imag", [](Self x) { return imag(*x); }, nb::arg("x"),
      "The imaginary part: a view for complex dtypes, zeros for others.");
  m.def(
      "nextafter",
      [](nb::handle a, nb::handle b) {
        const Argument x("nextafter", a.ptr()), y("nextafter", b.ptr());
        return in_long_call(x.is_long() || y.is_long(),
                            [&] { return nextafter(x.operand(), y.operand()); });
      },
      nb::arg("x1"), nb::arg("x2"), "The next number after x1 towards x2 that the dtype holds.");
  m.def(
      "complex", [](Self re, Self im) { return complex(*re, *im); }, nb::arg("real"),
      nb::arg("imag"), "real + i * imag");
}

}  // namespace

void bind_standard(nb::module_& m) {
  bind_rearranging(m);
  bind_scans_and_searches(m);
  bind_sorting(m);
  bind_tensor_products(m);
}

}  // namespace tenon::python
