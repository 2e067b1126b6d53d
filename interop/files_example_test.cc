// The listings of docs/files.md, compiled and run: //tests/readme:listings_test compares the words.
#include <gtest/gtest.h>

#include <cstdlib>
#include <numeric>
#include <vector>

#include "tenon/interop/crafted_files.h"
#include "tenon/interop/dlpack.h"
#include "tenon/interop/doors.h"
#include "tenon/interop/memory.h"
#include "tenon/interop/nested.h"
#include "tenon/interop/npy.h"
#include "tenon/interop/npz.h"
#include "tenon/interop/safetensors.h"
#include "tenon/tenon.h"

namespace tenon::interop {
namespace {

TEST(FilesExample, ReadingAndWriting) {
  crafted::Folder folder;
  std::filesystem::current_path(folder.path());
  write_npy("a.npy", NdArray::from_vector<float>({2}, {1, 2}));
  write_npy("huge.npy", NdArray::from_vector<float>({2}, {1, 2}));
  write_npz("data.npz", {{"x", NdArray::zeros(tenon::DType::uint8, {2})},
                         {"y", NdArray::zeros(tenon::DType::uint8, {3})}});
  write_safetensors("model.safetensors", {{"w", NdArray::from_vector<float>({1}, {5})}});
  // clang-format off
  NdArray a = read_npy("a.npy");                          // a copy, writable
  NdArray m = map_npy("huge.npy");                        // pages are read when touched
  NdArray e = map_npy("a.npy", {}, MapMode::kReadWrite);  // writes go to the file
  write_npy("b.npy", a);

  NpzReader archive("data.npz");
  tenon::Dims shape = archive.header("x").shape;          // without reading the data
  NdArray x = archive.read("x");
  NdArray y = archive.map("y");                           // a stored member, without a copy
  write_npz("out.npz", {{"x", x}, {"y", y}}, {.compressed = true});

  SafetensorsReader model("model.safetensors");
  for (const std::string& name : model.names()) shape = model.info(name).shape;
  NdArray w = model.map("w");                             // read-only, without a copy
  write_safetensors("out.safetensors", {{"w", w}}, {.metadata = {{"format", "pt"}}});

  tenon::Tensor t = tenon::from_numpy(w);                 // shares the mapped pages: read-only
  tenon::Tensor c = tenon::tensor(w);                     // a copy of its own
  // clang-format on
  EXPECT_TRUE(t.read_only() && !c.read_only() && !e.read_only() && m.read_only());
  EXPECT_EQ(c.item(), 5);
  EXPECT_EQ(shape, (tenon::Dims{1}));
  std::filesystem::current_path("/");
}

}  // namespace
}  // namespace tenon::interop

namespace tenon {
namespace {

TEST(FilesExample, Memory) {
  std::vector<float> values(6);
  std::vector<float> buffer(12);
  const std::vector<float> table{1, 2};
  const int64_t n = 3;
  auto* p = static_cast<float*>(std::calloc(3, sizeof(float)));
  const std::vector<std::vector<float>> rows{{1, 2}, {3, 4}};
  const Tensor b2 = ones({2, 3}), c2 = ones({2, 3});
  // clang-format off
  Tensor a = from_vector(std::move(values), {2, 3});             // the vector is the tensor's now
  Tensor b = from_span(std::span(buffer), {3, 4});               // borrowed
  Tensor c = from_span(std::span<const float>(table));           // const memory: a read-only tensor
  Tensor d = from_pointer(p, {n}, {}, [p] { std::free(p); });    // the deleter runs with the last view
  std::span<const float> x = as_span<float>(a);                  // back, without a copy

  Tensor r = tensor(rows);                                       // vectors of vectors: copied
  Tensor s = tensor({a, b2, c2});                                // stacked; gradients flow back to each
  // clang-format on
  EXPECT_EQ(x.size(), 6u);
  EXPECT_EQ(b.size() + c.size() + d.size() + r.size() + s.size(), 12 + 2 + 3 + 4 + 18);
}

TEST(FilesExample, Dlpack) {
  const Tensor t = ones({2});
  const auto consumer = [](dlpack::DLManagedTensorVersioned* m) { m->deleter(m); };
  const auto producer = [&] { return to_dlpack(t).release(); };
  // clang-format off
  DlpackVersioned out = to_dlpack(t);     // shares; frees itself unless release()d
  consumer(out.release());
  Tensor u = from_dlpack(producer());     // shares; consumed only if it succeeds
  // clang-format on
  EXPECT_TRUE(u.raw_data() == t.raw_data());
  const interop::NdArray array = interop::NdArray::from_vector<int64_t>({3}, {1, 2, 3});
  // clang-format off
  interop::Report report;
  as_tensor(array, {.dtype = DType::float32}, &report);
  report.text();  // "copied 12 bytes: the dtype changes (int64 on cpu -> float32 on cpu)"
  // clang-format on
  EXPECT_EQ(report.text(), "copied 12 bytes: the dtype changes (int64 on cpu -> float32 on cpu)");
}

}  // namespace
}  // namespace tenon
