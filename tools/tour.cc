// tour: the library call by call, each result shown and checked.
//
//   bazel run //tools:tour                    // on cuda where there is one, else on cpu
//   bazel run //tools:tour -- --device NAME
//
// Every call says what it gave, where that lies, and whether memory is shared, which is found out
// by writing through one side and looking at the other. Calls that must refuse show their error.
// The exit code is 1 if anything was not as the source below states.
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "tenon/autograd/autograd.h"
#include "tenon/device/device_state.h"
#include "tenon/interop/doors.h"
#include "tenon/ops/elementwise.h"
#include "tenon/ops/reduce.h"
#include "tenon/ops/views.h"
#include "tools/command_line.h"
#include "tools/tour_report.h"

namespace tenon::tools {
namespace {

using interop::NdArray;

// The array as another program might hand it over: the same memory, described differently.
NdArray reversed(const NdArray& a) {
  const int64_t last = (a.size() - 1) * item_size(a.dtype());
  return NdArray::over({.data = const_cast<std::byte*>(a.data()) + last,
                        .owner = a.owner(),
                        .dtype = a.dtype(),
                        .shape = a.shape(),
                        .byte_strides = {-item_size(a.dtype())}});
}
NdArray read_only(const NdArray& a) {
  return NdArray::over({.data = const_cast<std::byte*>(a.data()),
                        .owner = a.owner(),
                        .dtype = a.dtype(),
                        .shape = a.shape(),
                        .read_only = true});
}
NdArray byte_swapped(const NdArray& a) {
  NdArray swapped = a.copy();
  interop::swap_bytes(a.dtype(), {swapped.mutable_data(), static_cast<size_t>(swapped.nbytes())});
  return NdArray::over({.data = swapped.mutable_data(),
                        .owner = swapped.owner(),
                        .dtype = a.dtype(),
                        .shape = a.shape(),
                        .byte_swapped = true});
}
// Every sixth byte is the start of a float32: a column of packed records.
NdArray odd_strides() {
  const NdArray bytes = NdArray::zeros(DType::uint8, {18});
  return NdArray::over({.data = const_cast<std::byte*>(bytes.data()),
                        .owner = bytes.owner(),
                        .dtype = DType::float32,
                        .shape = {3},
                        .byte_strides = {6}});
}

// The text of a tensor that stands on `device`.
std::string on(Device device, std::string text) {
  if (device.text() == "cpu") return text;
  const size_t end = text.rfind(']');
  return text.insert(end == std::string::npos ? text.find_first_of(",)") : end + 1,
                     ", device='" + device.text() + "'");
}

void show_values(TourReport& tour, Device device) {
  tour.section("From values",
               "C++ numbers keep their type: float is float32, double float64, int32_t int32.");
  tour.made(TOUR_CALL(tensor<int64_t>({1, 2, 3}, device)), on(device, "tensor([1, 2, 3])"));
  tour.made(TOUR_CALL(tensor({1.0f, 2.0f, 3.0f}, device)), on(device, "tensor([1., 2., 3.])"));
  tour.made(TOUR_CALL(tensor({1.0, 2.5}, device)),
            on(device, "tensor([1.0000, 2.5000], dtype=float64)"));
  tour.made(TOUR_CALL(tensor({true, false}, device)), on(device, "tensor([ True, False])"));
  tour.made(TOUR_CALL(tensor({{1.0f, 2.0f}, {3.0f, 4.0f}}, device)),
            on(device, "tensor([[1., 2.],\n        [3., 4.]])"));
  tour.refused(TOUR_CALL(tensor({{1.0f, 2.0f}, {3.0f}})), "all rows need one length");
}

void show_arrays_in(TourReport& tour) {
  tour.section(
      "From a host array",
      "An NdArray is host memory as NumPy describes it. tensor() always copies, as_tensor() shares "
      "where it can, from_numpy() shares or refuses.");
  const NdArray a = NdArray::from_vector<float>({3}, {1, 2, 3});
  const NdArray backwards = reversed(a), fixed = read_only(a), swapped = byte_swapped(a),
                odd = odd_strides();

  Tensor t = tour.made(TOUR_CALL(tensor(a)), "tensor([1., 2., 3.])");
  tour.copies(side("a", a), side("the tensor", t));
  t = tour.made(TOUR_CALL(tensor(backwards)), "tensor([3., 2., 1.])");
  tour.copies(side("the array", backwards), side("the tensor", t));
  t = tour.made(TOUR_CALL(tensor(swapped)), "tensor([1., 2., 3.])");
  tour.copies(side("the array", swapped), side("the tensor", t));
  tour.made(TOUR_CALL(tensor(odd)), "tensor([0., 0., 0.])");
  const std::vector<NdArray> list = {a, backwards};
  t = tour.made(TOUR_CALL(tensor(list)), "tensor([[1., 2., 3.],\n        [3., 2., 1.]])");
  tour.copies(side("a", a), side("the tensor", t));

  t = tour.made(TOUR_CALL(as_tensor(a)), "tensor([1., 2., 3.])");
  tour.shares(side("a", a), side("the tensor", t));
  t = tour.made(TOUR_CALL(as_tensor(a, {.dtype = DType::float64})),
                "tensor([1., 2., 3.], dtype=float64)");
  tour.copies(side("a", a), side("the tensor", t));
  t = tour.made(TOUR_CALL(as_tensor(a, {.copy = true})), "tensor([1., 2., 3.])");
  tour.copies(side("a", a), side("the tensor", t));
  const Tensor w = tensor({1.0f, 2.0f}).requires_grad_(), h = w * 2;
  t = tour.made(TOUR_CALL(as_tensor(h)), "tensor([2., 4.], grad_fn=<multiply>)");
  tour.shares(side("h", h), side("the tensor", t));
  tour.refused(TOUR_CALL(as_tensor(a, {.dtype = DType::float64, .copy = false})),
               "can't alias the array");
  const NdArray large = NdArray::from_vector<int64_t>({2}, {1, 300});
  tour.refused(TOUR_CALL(as_tensor(large, {.dtype = DType::uint8})),
               "value cannot be converted to type uint8 without overflow");

  tour.note("Every door says what it did and why, if asked.");
  interop::Report report;
  tour.made(TOUR_CALL(as_tensor(a, {}, &report)), "tensor([1., 2., 3.])");
  tour.made(TOUR_CALL(report.text()),
            "shared 12 bytes: dtype, device and layout allow it (float32 on cpu -> float32 "
            "on cpu)");
  tour.made(TOUR_CALL(as_tensor(swapped, {}, &report)), "tensor([1., 2., 3.])");
  tour.made(TOUR_CALL(report.text()),
            "copied 12 bytes: the byte order is different from the native byte order "
            "(float32 on cpu -> float32 on cpu)");

  t = tour.made(TOUR_CALL(from_numpy(a)), "tensor([1., 2., 3.])");
  tour.shares(side("a", a), side("the tensor", t));
  t = tour.made(TOUR_CALL(from_numpy(backwards)), "tensor([3., 2., 1.])");
  tour.shares(side("the array", backwards), side("the tensor", t));
  Tensor r = tour.made(TOUR_CALL(from_numpy(fixed)), "tensor([1., 2., 3.])");
  tour.shares(side("a, of which the array is a read-only view", a), side("the tensor", r));
  tour.refused(TOUR_CALL(r.fill_(0)), "is read-only: it shares memory that may only be read");
  tour.refused(TOUR_CALL(from_numpy(swapped)),
               "given numpy array has byte order different from the native byte order");
  tour.refused(TOUR_CALL(from_numpy(odd)),
               "given numpy array strides not a multiple of the element byte size");
}

void show_arrays_out(TourReport& tour, std::optional<Device> other) {
  tour.section("To a host array",
               "to_numpy() shares or refuses, and then names everything in the way at once.");
  const Tensor t = tensor({1.0f, 2.0f, 3.0f});
  NdArray a = tour.made(TOUR_CALL(to_numpy(t)), "array([1., 2., 3.])");
  tour.shares(side("the tensor", t), side("the array", a));
  const Tensor backwards = flip(t);
  a = tour.made(TOUR_CALL(to_numpy(backwards)), "array([3., 2., 1.])");
  tour.shares(side("the tensor", backwards), side("the array", a));
  const NdArray fixed = read_only(NdArray::from_vector<float>({2}, {1, 2}));
  tour.made(TOUR_CALL(to_numpy(from_numpy(fixed)).read_only()), "true");

  const Tensor w = tensor({1.0f, 2.0f}).requires_grad_();
  tour.refused(TOUR_CALL(to_numpy(w)), "Can't call numpy() on Tensor that requires grad");
  a = tour.made(TOUR_CALL(to_numpy(w.detach())), "array([1., 2.])");
  tour.shares(side("w", w), side("the array", a));
  if (!other) return;
  const Tensor far = t.to(*other), far_w = w.to(*other);
  tour.refused(TOUR_CALL(to_numpy(far)),
               concat_text("can't convert ", other->text(), " device type tensor to numpy"));
  tour.refused(TOUR_CALL(to_numpy(far_w)),
               concat_text("Can't call numpy() on Tensor that requires grad, and can't convert ",
                           other->text(), " device type tensor to numpy"));
  a = tour.made(TOUR_CALL(to_numpy(far_w, /*force=*/true)), "array([1., 2.])");
  tour.copies(side("the tensor", far_w), side("the array", a));
}

void show_items(TourReport& tour, Device device) {
  tour.section("One element as a number",
               "Of any shape of one element, on any device, with or without gradient.");
  const Tensor one = tensor({{2.5f}}, device), two = tensor({1.0f, 2.0f}, device),
               z = tensor<int64_t>(7, device);
  tour.made(TOUR_CALL(one.item()), "2.5");
  tour.made(TOUR_CALL(z.item<int64_t>()), "7");
  tour.refused(TOUR_CALL(two.item()), "a Tensor with 2 elements cannot be converted to Scalar");
  tour.refused(TOUR_CALL(one.item<int64_t>()), "the element 2.5 is not an integer");
}

void show_handles(TourReport& tour, Device device) {
  tour.section("The same data and other data");
  const Tensor x = tensor({{1.0f, 2.0f, 3.0f}, {4.0f, 5.0f, 6.0f}}, device);
  const auto text = [&](std::string_view brackets) {
    return on(device, concat_text("tensor(", brackets, ")"));
  };
  Tensor y = tour.made(TOUR_CALL(x.detach()), text("[[1., 2., 3.],\n        [4., 5., 6.]]"));
  tour.shares(side("x", x), side("the result", y));
  y = tour.made(TOUR_CALL(x.clone()), text("[[1., 2., 3.],\n        [4., 5., 6.]]"));
  tour.copies(side("x", x), side("the result", y));
  y = tour.made(TOUR_CALL(x.reshape({3, 2})),
                text("[[1., 2.],\n        [3., 4.],\n        [5., 6.]]"));
  tour.shares(side("x", x), side("the result", y));
  y = tour.made(TOUR_CALL(x.transpose()), text("[[1., 4.],\n        [2., 5.],\n        [3., 6.]]"));
  tour.shares(side("x", x), side("the result", y));
  y = tour.made(TOUR_CALL(x.at({0, Slice{.step = 2}})), text("[1., 3.]"));
  tour.shares(side("x", x), side("the result", y));
  const Tensor corner = x.at({1, 2}), corner_row = x.at({0, Slice{.stop = 2}});
  y = tour.made(TOUR_CALL(flip(x)), text("[[6., 5., 4.],\n        [3., 2., 1.]]"));
  tour.shares(side("x's last element", corner), side("the result", y));
  const Tensor row = x.at({Slice{.stop = 1}});
  y = tour.made(TOUR_CALL(broadcast_to(row, Dims{2, 3})),
                text("[[1., 2., 3.],\n        [1., 2., 3.]]"));
  tour.refused(TOUR_CALL(y.fill_(0)),
               "more than one element of the written-to tensor refers to a single memory location");
  y = tour.made(TOUR_CALL(x.astype(DType::float64)),
                text("[[1., 2., 3.],\n        [4., 5., 6.]], dtype=float64"));
  tour.copies(side("x", x), side("the result", y));
  tour.note(
      "Python's Tensor(x), t.data and Variable(t) are not needed here: they are tensor(x), "
      "t.detach() and t itself.");
  tour.refused(TOUR_CALL(x.at({2, 0})), "index 2 is out of bounds for axis 0 with size 2");
  tour.refused(TOUR_CALL(x.reshape({4, 2})), "shape [4, 2] is invalid for a tensor of 6 elements");
  tour.refused(TOUR_CALL(add(x, corner_row)), "shapes do not broadcast");
}

void show_devices(TourReport& tour, std::optional<Device> other) {
  tour.section("Devices", "to() gives the tensor itself where there is nothing to do.");
  const Tensor t = tensor({1.0f, 2.0f, 3.0f});
  Tensor u = tour.made(TOUR_CALL(t.cpu()), "tensor([1., 2., 3.])");
  tour.shares(side("t", t), side("the result", u));
  u = tour.made(TOUR_CALL(t.to("cpu")), "tensor([1., 2., 3.])");
  tour.shares(side("t", t), side("the result", u));
  u = tour.made(TOUR_CALL(t.to("cpu", /*copy=*/true)), "tensor([1., 2., 3.])");
  tour.copies(side("t", t), side("the result", u));
  if (device_count("cuda") > 0) {
    u = tour.made(TOUR_CALL(t.cuda()), on(Device("cuda"), "tensor([1., 2., 3.])"));
    tour.copies(side("t", t), side("the result", u));
  } else {
    tour.refused(TOUR_CALL(t.cuda()), "Found no NVIDIA driver on your system");
  }
  tour.refused(TOUR_CALL(t.to("abacus")), "no device 'abacus'");
  if (!other) {
    tour.note("There is no device but the cpu here: what crosses devices is not shown.");
    return;
  }
  const Device far = *other;
  u = tour.made(TOUR_CALL(t.to(far)), on(far, "tensor([1., 2., 3.])"));
  tour.copies(side("t", t), side("u", u));
  const Tensor back = tour.made(TOUR_CALL(u.cpu()), "tensor([1., 2., 3.])");
  tour.copies(side("u", u), side("the result", back));
  tour.refused(TOUR_CALL(add(t, u)), "Expected all tensors to be on the same device");
  if (far.host_addressable()) return;
  tour.refused(TOUR_CALL(u.data<float>()),
               concat_text("memory of ", far.text(), " cannot be read by host code"));
}

void show_gradients(TourReport& tour, Device device) {
  tour.section("Gradients");
  Tensor x = tensor({1.0f, 2.0f, 3.0f}, device).requires_grad_();
  Tensor y = tour.made(TOUR_CALL(sum(x * x)), on(device, "tensor(14., grad_fn=<sum>)"));
  tour.done(TOUR_CALL(y.backward()));
  tour.made(TOUR_CALL(x.grad()), on(device, "tensor([2., 4., 6.])"));
  tour.refused(TOUR_CALL(y.backward()), "Trying to backward through the graph a second time");
  tour.refused(TOUR_CALL((x * x).backward()),
               "grad can be implicitly created only for scalar outputs");
  tour.refused(TOUR_CALL(tensor<int64_t>({1, 2}, device).requires_grad_()),
               "only Tensors of floating point dtype can require gradients");

  tour.note(
      "A gradient is a tensor like any other, so it has a gradient itself: of x^3, 3 x^2 and "
      "then 6 x.");
  const Tensor g =
      tour.made(TOUR_CALL(grad({sum(x * x * x)}, {x}, {.create_graph = true})[0].detach()),
                on(device, "tensor([ 3., 12., 27.])"));
  tour.made(TOUR_CALL(grad({sum(grad({sum(x * x * x)}, {x}, {.create_graph = true})[0])}, {x})[0]),
            on(device, "tensor([ 6., 12., 18.])"));

  tour.note(
      "Writes in place are allowed where the gradient stays right, and noticed where it would "
      "not.");
  tour.refused(TOUR_CALL(x.fill_(0)),
               "a leaf Variable that requires grad is being used in an in-place operation");
  Tensor h = exp(x);
  y = sum(h);  // backward needs exp(x)
  tour.done(TOUR_CALL(h += 1));
  tour.refused(TOUR_CALL(y.backward()),
               "one of the variables needed for gradient computation has been modified by an "
               "inplace operation");
  y = sum(x * x);
  tour.done(TOUR_CALL(x.detach().fill_(1)));
  tour.refused(TOUR_CALL(y.backward()),
               "one of the variables needed for gradient computation has been modified by an "
               "inplace operation");
}

void show_printing(TourReport& tour, Device device) {
  tour.section("Printing",
               "One format for the whole tensor; of more than 1,000 elements, its edges.");
  tour.made(TOUR_CALL(tensor({0.1f, 0.25f, -1.0f / 3}, device)),
            on(device, "tensor([ 0.1000,  0.2500, -0.3333])"));
  tour.made(TOUR_CALL(tensor({1e-5f, 1.0f}, device)),
            on(device, "tensor([1.0000e-05, 1.0000e+00])"));
  tour.made(TOUR_CALL(tensor({1.5f, 2.0f}, device).astype(DType::bfloat16)),
            on(device, "tensor([1.5000, 2.0000], dtype=bfloat16)"));
  tour.made(TOUR_CALL(arange(0, 2000, 1, DType::none, device).reshape({400, 5})),
            on(device,
               "tensor([[   0,    1,    2,    3,    4],\n"
               "        [   5,    6,    7,    8,    9],\n"
               "        [  10,   11,   12,   13,   14],\n"
               "        ...,\n"
               "        [1985, 1986, 1987, 1988, 1989],\n"
               "        [1990, 1991, 1992, 1993, 1994],\n"
               "        [1995, 1996, 1997, 1998, 1999]])"));
  tour.made(TOUR_CALL(empty(Dims{0, 3}, DType::float32, device)),
            on(device, "tensor([], size=(0, 3))"));
}

std::optional<Device> found_beside_cpu() {
  for (const Device d : devices()) {
    if (d.text() != "cpu") return d;
  }
  return std::nullopt;
}

// A device that is not the cpu, to show what crosses devices: the tour's own, any that is found, or
// the example of a backend, where Bazel built it beside the tour.
std::optional<Device> other_device(Device device) {
  if (device.text() != "cpu") return device;
  if (const auto found = found_beside_cpu()) return found;
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  const auto example = program.parent_path() / "libtenon_backend_mini.so";
  if (!std::filesystem::exists(example, error)) return std::nullopt;
  load_backend(example);
  return found_beside_cpu();
}

int run(const std::string& wanted) {
  const bool choose = wanted.empty();
  const Device device(!choose ? wanted : device_count("cuda") > 0 ? "cuda" : "cpu");
  std::cout << "A tour of Tenon on " << device.text();
  if (choose && device.text() == "cpu")
    std::cout << " (there is no cuda device here; t.cuda() below says why)";
  std::cout << "\n";
  const std::optional<Device> other = other_device(device);
  if (other && !(*other == device)) {
    std::cout << "and, where a second device is needed, on " << other->text() << " ("
              << other->state().props.name << ")\n";
  }
  TourReport tour(std::cout);
  tour.chapter([&] { show_values(tour, device); });
  tour.chapter([&] { show_arrays_in(tour); });
  tour.chapter([&] { show_arrays_out(tour, other); });
  tour.chapter([&] { show_items(tour, device); });
  tour.chapter([&] { show_handles(tour, device); });
  tour.chapter([&] { show_devices(tour, other); });
  tour.chapter([&] { show_gradients(tour, device); });
  tour.chapter([&] { show_printing(tour, device); });
  return tour.finish();
}

}  // namespace
}  // namespace tenon::tools

int main(int argc, char** argv) {
  std::string device;
  tenon::tools::CommandLine line("tour", "Shows Tenon call by call and checks what is shown.");
  line.option("--device", &device, "NAME", "where to run; cuda where there is one, else cpu");
  if (!line.parse(argc, argv)) return line.exit_status();
  try {
    return tenon::tools::run(device);
  } catch (const std::exception& e) {
    std::cerr << "tour: " << e.what() << "\n";
    return 1;
  }
}
