// save and load: .npy, .npz and .safetensors, by the name's ending. The readers and their checks
// are interop's.

#include "interop/python/numpy_array.h"
#include "tenon/interop/npy.h"
#include "tenon/interop/npz.h"
#include "tenon/interop/safetensors.h"

namespace tenon::python {
namespace {

using interop::NdArray;

std::string path_argument(const char* operation, nb::handle path) {
  const nb::object text = nb::steal(PyOS_FSPath(path.ptr()));
  if (!text.is_valid()) {
    PyErr_Clear();
    type_error(operation, "expected a path, got ", type_name(path.ptr()));
  }
  if (PyBytes_Check(text.ptr()))
    return std::string(PyBytes_AS_STRING(text.ptr()),
                       static_cast<size_t>(PyBytes_GET_SIZE(text.ptr())));
  const nb::object bytes = steal(PyUnicode_EncodeFSDefault(text.ptr()));
  return std::string(PyBytes_AS_STRING(bytes.ptr()),
                     static_cast<size_t>(PyBytes_GET_SIZE(bytes.ptr())));
}

[[noreturn]] void refuse_ending(const char* operation, const std::string& path) {
  fail(ErrorCode::kInvalidArgument, operation, path,
       ": the name must end in .npy, .npz or .safetensors, which says what the file is");
}

// Shares the array's memory where it can: what was read or mapped just now.
nb::object tensor_of_array(const NdArray& array) { return wrapped(as_tensor(array)); }

NdArray array_of(const char* operation, nb::handle value) {
  if (is_tensor(value.ptr())) return to_numpy(tensor_of(value.ptr()), /*force=*/true);
  if (is_array_like(value.ptr())) return array_argument(operation, value.ptr());
  type_error(operation, "expected a Tensor or an array, got ", type_name(value.ptr()));
}

std::vector<interop::NpzEntry> entries_of(const char* operation, nb::handle data) {
  if (!nb::isinstance<nb::dict>(data)) {
    type_error(operation,
               "a file of several tensors is saved from a dict of names and tensors, got ",
               type_name(data.ptr()));
  }
  std::vector<interop::NpzEntry> entries;
  for (auto [name, value] : nb::borrow<nb::dict>(data)) {
    if (!PyUnicode_Check(name.ptr()))
      type_error(operation, "names are text, not ", type_name(name.ptr()));
    entries.push_back({nb::cast<std::string>(name), array_of(operation, value)});
  }
  return entries;
}

void save(nb::handle path_object, nb::handle data, bool compressed, const std::string& view_as,
          nb::handle metadata) {
  if (is_tensor(path_object.ptr()) || nb::isinstance<nb::dict>(path_object)) {
    type_error("save", "the path comes first: save(path, data)");
  }
  const std::string path = path_argument("save", path_object);
  if (path.ends_with(".npy")) {
    const NdArray array = array_of("save", data);
    const WithoutGil released;
    interop::write_npy(path, array, {.view_as = view_as});
  } else if (path.ends_with(".npz")) {
    const std::vector<interop::NpzEntry> entries = entries_of("save", data);
    const WithoutGil released;
    interop::write_npz(path, entries, {.compressed = compressed, .view_as = view_as});
  } else if (path.ends_with(".safetensors")) {
    std::vector<interop::SafetensorsEntry> entries;
    for (interop::NpzEntry& e : entries_of("save", data))
      entries.push_back({.name = e.name, .array = std::move(e.array)});
    interop::SafetensorsWriteOptions options;
    if (!metadata.is_none()) {
      for (auto [key, value] : nb::cast<nb::dict>(metadata))
        options.metadata[nb::cast<std::string>(key)] = nb::cast<std::string>(value);
    }
    const WithoutGil released;
    interop::write_safetensors(path, entries, options);
  } else {
    refuse_ending("save", path);
  }
}

nb::object load(nb::handle path_object, bool mmap) {
  const std::string path = path_argument("load", path_object);
  if (path.ends_with(".npy")) {
    const NdArray array =
        in_long_call(true, [&] { return mmap ? interop::map_npy(path) : interop::read_npy(path); });
    return tensor_of_array(array);
  }
  nb::dict result;
  if (path.ends_with(".npz")) {
    const std::vector<interop::NpzEntry> entries = in_long_call(true, [&] {
      if (!mmap) return interop::read_npz(path);
      const interop::NpzReader reader(path);
      std::vector<interop::NpzEntry> mapped;
      for (const std::string& name : reader.names()) mapped.push_back({name, reader.map(name)});
      return mapped;
    });
    for (const interop::NpzEntry& e : entries) result[e.name.c_str()] = tensor_of_array(e.array);
  } else if (path.ends_with(".safetensors")) {
    const std::vector<interop::SafetensorsEntry> entries =
        in_long_call(true, [&] { return interop::read_safetensors(path, {}, mmap); });
    for (const interop::SafetensorsEntry& e : entries)
      result[e.name.c_str()] = tensor_of_array(e.array);
  } else {
    refuse_ending("load", path);
  }
  return nb::object(result);
}

}  // namespace

void bind_files(nb::module_& m) {
  m.def("save", &save, nb::arg("path"), nb::arg("data"), nb::kw_only(),
        nb::arg("compressed") = false, nb::arg("view_as") = "", nb::arg("metadata") = nb::none(),
        "Writes a tensor (.npy) or a dict of tensors (.npz, .safetensors), the file as a whole or "
        "not at all. bfloat16 and\n"
        "float8 need .safetensors, or view_as=\"bits\", which writes them as uint16 and uint8. "
        "compressed is .npz's,\n"
        "metadata (a dict of text) safetensors'.");
  m.def("load", &load, nb::arg("path"), nb::kw_only(), nb::arg("mmap") = false,
        "Reads what save() (or NumPy, or safetensors) wrote. mmap=True shares the file's pages: "
        "read-only tensors, nothing is read\n"
        "before it is used.");
  m.def(
      "load_metadata",
      [](nb::handle path_object) {
        const std::string path = path_argument("load_metadata", path_object);
        const auto metadata =
            in_long_call(true, [&] { return interop::SafetensorsReader(path).metadata(); });
        nb::dict result;
        for (const auto& [key, value] : metadata) result[key.c_str()] = value;
        return result;
      },
      nb::arg("path"), "The metadata of a .safetensors file, a dict of text.");
}

}  // namespace tenon::python
