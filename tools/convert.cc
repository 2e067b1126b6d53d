// convert: arrays from one file into another: .npy, .npz and .safetensors, by extension.
//
//   bazel run //tools:convert -- --list model.safetensors
//   bazel run //tools:convert -- model.safetensors model.npz --view-as bits
//   bazel run //tools:convert -- data.npz images.npy --name x_train --dtype float32
//
// The output is there as a whole or not at all, also if it is the input. dtypes stay as they are
// unless --dtype or --view-as says otherwise; nothing is rounded to integers, and integers that do
// not fit are refused.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "tenon/interop/doors.h"
#include "tools/command_line.h"
#include "tools/convert_files.h"
#include "tools/progress.h"
#include "tools/text_table.h"

namespace tenon::tools {
namespace {

using interop::NdArray;

struct Settings {
  std::string in, out, name, dtype = "keep", view_as = "keep", void_as = "none";
  bool list = false, compress = false;
};

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

std::string count_text(size_t n) { return concat_text(n, n == 1 ? " array" : " arrays"); }

void print_list(const std::string& path, const ArrayFile& file) {
  TextTable table({"name", "dtype", "shape", "bytes"});
  uint64_t bytes = 0;
  for (const NamedArray& a : file.arrays) {
    table.add({a.name, a.dtype_name, shape_text(a.shape), grouped(static_cast<int64_t>(a.bytes))});
    bytes += a.bytes;
  }
  if (!file.arrays.empty()) print(table.text());
  for (const auto& [key, value] : file.metadata)
    print(concat_text("metadata ", key, ": ", value, "\n"));
  print(concat_text(path, ": ", count_text(file.arrays.size()), ", ",
                    grouped(static_cast<int64_t>(bytes)), " bytes of data\n"));
}

// The same memory with elements of another type of the same size.
NdArray reinterpreted(const NdArray& a, DType dtype) {
  return NdArray::over({.data = const_cast<std::byte*>(a.data()),
                        .owner = a.owner(),
                        .dtype = dtype,
                        .shape = a.shape(),
                        .byte_strides = a.byte_strides(),
                        .read_only = true,
                        .byte_swapped = a.byte_swapped()});
}

// --view-as: what NumPy's files cannot hold goes as bits, and comes back.
OutputArray viewed(OutputArray a, const std::string& view_as) {
  const DType own = a.array.dtype();
  const bool foreign = dtype_info(own).numpy_descr.empty();
  const bool bits = view_as == "bits";
  if (bits || view_as == "u1" || view_as == "u2") {
    if (view_as != "u2") a.float8_name.clear();
    const int64_t size = bits ? item_size(own) : view_as == "u1" ? 1 : 2;
    if (foreign && item_size(own) == size)
      a.array = reinterpreted(a.array, size == 1 ? DType::uint8 : DType::uint16);
  } else if (const DType to = dtype_from_name(view_as); to != DType::none) {
    if (own == (item_size(to) == 1 ? DType::uint8 : DType::uint16))
      a.array = reinterpreted(a.array, to);
  }
  return a;
}

OutputArray converted(OutputArray a, const std::string& dtype_name) {
  if (dtype_name == "keep") return a;
  const DType dtype = dtype_from_name(dtype_name);
  if (dtype == DType::none) {
    fail(ErrorCode::kInvalidArgument, "convert", "--dtype ", dtype_name,
         ": there is no such dtype; for example float32, bfloat16, int64");
  }
  if (!a.float8_name.empty()) {
    fail(ErrorCode::kDType, "convert", "'", a.name, "' is ", a.float8_name,
         ", which Tenon cannot compute with: leave --dtype out to keep its bits");
  }
  a.array = to_numpy(as_tensor(a.array, {.dtype = dtype}));
  return a;
}

const NamedArray& find(const ArrayFile& file, const std::string& name) {
  for (const NamedArray& a : file.arrays) {
    if (a.name == name) return a;
  }
  std::string known;
  for (size_t i = 0; i < file.arrays.size() && i < 20; ++i)
    known += (i == 0 ? "" : ", ") + file.arrays[i].name;
  if (file.arrays.size() > 20) known += ", ...";
  fail(ErrorCode::kInvalidArgument, "convert", "there is no array '", name, "'; the file has ",
       known.empty() ? "none" : known);
}

std::vector<OutputArray> chosen_arrays(const Settings& s, const ArrayFile& file) {
  std::vector<const NamedArray*> chosen;
  if (file.format == FileFormat::kNpy) {
    chosen.push_back(&file.arrays[0]);
  } else if (!s.name.empty()) {
    chosen.push_back(&find(file, s.name));
  } else {
    for (const NamedArray& a : file.arrays) chosen.push_back(&a);
  }
  const FileFormat out = format_of(s.out);
  check_holds(out, chosen.size());
  std::vector<OutputArray> arrays;
  for (const NamedArray* a : chosen) {
    OutputArray one{a->name, a->load(), a->float8 ? a->dtype_name : ""};
    if (file.format == FileFormat::kNpy && !s.name.empty()) one.name = s.name;
    one = viewed(converted(std::move(one), s.dtype), s.view_as);
    if (!one.float8_name.empty() && out != FileFormat::kSafetensors) {
      fail(ErrorCode::kDType, "convert", "'", a->name, "' is ", a->dtype_name,
           ", which NumPy files cannot hold: --view-as bits writes its bits as uint8");
    }
    const DType dtype = one.array.dtype();
    if (dtype_info(dtype).numpy_descr.empty() && out != FileFormat::kSafetensors) {
      const bool one_byte = item_size(dtype) == 1;
      fail(ErrorCode::kDType, "convert", "'", a->name, "' is ", dtype_name(dtype),
           ", which NumPy files cannot hold: --view-as bits writes its bits as ",
           one_byte ? "uint8" : "uint16", ", --dtype float32 converts it");
    }
    arrays.push_back(std::move(one));
  }
  return arrays;
}

int run(const Settings& s) {
  const auto start = std::chrono::steady_clock::now();
  if (!s.list) (void)format_of(s.out);  // before a long read
  const ArrayFile file = open_arrays(s.in, dtype_from_name(s.void_as));
  if (s.list) {
    print_list(s.in, file);
    return 0;
  }
  if (s.compress && format_of(s.out) != FileFormat::kNpz) {
    fail(ErrorCode::kInvalidArgument, "convert", "--compress is for .npz files; ",
         format_name(format_of(s.out)), " has no compression");
  }
  const std::vector<OutputArray> arrays = chosen_arrays(s, file);
  int64_t total = 0;
  for (const OutputArray& a : arrays) total += a.array.nbytes();
  Progress progress(concat_text("writing ", std::filesystem::path(s.out).filename().string()),
                    total);
  save_arrays(
      s.out, arrays,
      {.compressed = s.compress, .metadata = file.metadata, .on_progress = [&](uint64_t written) {
         const auto done = static_cast<int64_t>(written);
         if (progress.due())
           progress.show(done, concat_text(grouped(done), " of ", grouped(total), " bytes"));
       }});
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, "%.2f s", took.count());
  std::string line = concat_text(
      "wrote ", s.out, ": ", count_text(arrays.size()), ", ", grouped(total), " bytes of data, ",
      grouped(static_cast<int64_t>(std::filesystem::file_size(s.out))), " in the file, ", seconds);
  if (!file.metadata.empty() && format_of(s.out) != FileFormat::kSafetensors)
    line += concat_text("; the metadata (", file.metadata.size(), " entries) has no place there");
  progress.finish(line);
  return 0;
}

int main_with(int argc, char** argv) {
  Settings s;
  CommandLine line("convert", "Converts between .npy, .npz and .safetensors files.");
  line.argument(&s.in, "IN");
  line.argument(&s.out, "OUT", /*required=*/false);
  line.flag("--list", &s.list, "say what is in IN, write nothing");
  line.option("--name", &s.name, "NAME", "only this array of IN; of a .npy, its name in OUT");
  line.option("--dtype", &s.dtype, "DTYPE", "convert the elements, for example to float32");
  line.choice("--view-as", &s.view_as,
              {"keep", "bits", "u1", "u2", "bfloat16", "float8_e4m3fn", "float8_e5m2"},
              "bits: float8 as u1 and bfloat16 as u2; or only one of them; or back");
  line.choice("--void-as", &s.void_as, {"none", "bfloat16", "float8_e4m3fn", "float8_e5m2"},
              "what V2, V1 or f1 elements of a NumPy file are");
  line.flag("--compress", &s.compress, "deflate the arrays of a .npz");
  if (!line.parse(argc, argv)) return line.exit_status();
  if (s.out.empty() != s.list) {
    std::fprintf(stderr, "convert: %s\n",
                 s.list ? "--list takes no OUT" : "OUT is missing (or --list)");
    return 2;
  }
  // "bazel run" starts programs elsewhere; names are meant from where it was typed.
  if (const char* directory = std::getenv("BUILD_WORKING_DIRECTORY")) {
    std::error_code ignored;
    std::filesystem::current_path(directory, ignored);
  }
  try {
    return run(s);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}

}  // namespace
}  // namespace tenon::tools

int main(int argc, char** argv) { return tenon::tools::main_with(argc, argv); }
