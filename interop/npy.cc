#include "tenon/interop/npy.h"

#include <utility>

#include "tenon/interop/atomic_file.h"

namespace tenon::interop {
namespace {

constexpr std::string_view kTrailing =
    "another array may follow in the same file; set allow_trailing_bytes to read the first one";

NdArray read_array(ByteReader& reader, const NpyReadOptions& options) {
  const NpyHeader header = read_npy_header(
      reader, {.void_as = options.void_as, .max_header_bytes = options.max_header_bytes});
  NdArray array = read_npy_data(reader, header);
  if (!options.allow_trailing_bytes) reader.expect_end(kTrailing);
  return array;
}

// The byte of a bool is 0 or 1 to C++; a file may hold others.
bool is_canonical_bool(std::byte b) { return b <= std::byte(1); }

}  // namespace

NdArray read_npy_data(ByteReader& reader, const NpyHeader& header) {
  reader.expect_at_least("array data", static_cast<uint64_t>(header.nbytes));
  const NdArray memory = NdArray::uninitialized(header.dtype, header.shape);
  NdArray array = NdArray::over({.data = const_cast<std::byte*>(memory.data()),
                                 .owner = memory.owner(),
                                 .dtype = header.dtype,
                                 .shape = header.shape,
                                 .byte_strides = header.byte_strides()});
  const std::span<std::byte> bytes(array.mutable_data(), static_cast<size_t>(header.nbytes));
  reader.read_exactly("array data", bytes);
  if (header.byte_swapped) swap_bytes(header.dtype, bytes);
  if (header.dtype == DType::bool_) {
    for (std::byte& b : bytes) b = is_canonical_bool(b) ? b : std::byte(1);
  }
  return array;
}

NdArray view_npy_data(const ByteReader& reader, const NpyHeader& header,
                      std::span<const std::byte> data, std::shared_ptr<const void> owner,
                      MapMode mode) {
  if (data.size() < static_cast<uint64_t>(header.nbytes)) {
    reader.refuse("EOF: reading array data, expected ", header.nbytes, " bytes got ", data.size(),
                  "; the file is cut short or its header is wrong");
  }
  if (header.dtype == DType::bool_) {
    for (std::byte b : data.first(static_cast<size_t>(header.nbytes))) {
      if (!is_canonical_bool(b)) {
        reader.refuse("a bool is the byte ", static_cast<int>(b),
                      ", neither 0 nor 1: it cannot be shared; read a copy");
      }
    }
  }
  return NdArray::over({.data = const_cast<std::byte*>(data.data()),
                        .owner = std::move(owner),
                        .dtype = header.dtype,
                        .shape = header.shape,
                        .byte_strides = header.byte_strides(),
                        .read_only = mode == MapMode::kRead,
                        .byte_swapped = header.byte_swapped});
}

NdArray read_npy(const std::string& path, const NpyReadOptions& options) {
  FileReader reader("read_npy", path);
  return read_array(reader, options);
}

NdArray read_npy(std::span<const std::byte> bytes, const NpyReadOptions& options,
                 const std::string& name) {
  MemoryReader reader("read_npy", name, bytes);
  return read_array(reader, options);
}

NdArray map_npy(const std::string& path, const NpyReadOptions& options, MapMode mode) {
  auto file = MappedFile::open("map_npy", path, mode);
  MemoryReader reader("map_npy", concat_text("'", path, "'"), file->bytes());
  const NpyHeader header = read_npy_header(
      reader, {.void_as = options.void_as, .max_header_bytes = options.max_header_bytes});
  const std::span<const std::byte> data = file->bytes().last(reader.remaining_at_most());
  if (data.size() > static_cast<uint64_t>(header.nbytes) && !options.allow_trailing_bytes) {
    reader.refuse("there are more bytes after the array's data: ", kTrailing);
  }
  return view_npy_data(reader, header, data, file, mode);
}

NpyImage npy_image(std::string_view operation, const NdArray& array,
                   const NpyWriteOptions& options) {
  if (array.dtype() == DType::none)
    fail(ErrorCode::kDType, operation, "there is no array to write");
  const std::string_view own_descr = dtype_info(array.dtype()).numpy_descr;
  std::string descr;
  const bool one_byte = item_size(array.dtype()) == 1;
  const std::string_view bits = one_byte ? "u1" : "u2";
  // "bits" is for what NumPy has no dtype for: everything else keeps its own.
  const bool as_bits = options.view_as == "bits";
  if (as_bits ? own_descr.empty() : !options.view_as.empty()) {
    if (!as_bits && (options.view_as != bits || item_size(array.dtype()) > 2)) {
      fail(ErrorCode::kDType, operation, "view_as '", options.view_as, "' for ",
           dtype_name(array.dtype()),
           ": there are 'u1' for elements of 1 byte, 'u2' for elements of 2 bytes, and 'bits', "
           "which is either as it fits");
    }
    descr = concat_text(one_byte ? "|" : "<", bits);
  } else if (own_descr.empty()) {
    fail(ErrorCode::kDType, operation, "NumPy files cannot hold ", dtype_name(array.dtype()),
         ": write .safetensors, convert to float32, or set view_as = \"bits\" to write its bits as "
         "unsigned integers (",
         one_byte ? "uint8)" : "uint16)");
  }
  NpyHeader header;
  header.dtype = array.dtype();
  header.shape = array.shape();
  header.fortran_order = array.is_f_contiguous() && !array.is_c_contiguous();
  NpyImage image;
  // The bytes of a dense array in memory order are what goes to the file.
  image.data = header.fortran_order && !array.byte_swapped() ? array : array.contiguous();
  header.fortran_order = header.fortran_order && !array.byte_swapped();
  image.header = npy_header_text(header, descr);
  return image;
}

void write_npy(const std::string& path, const NdArray& array, const NpyWriteOptions& options) {
  const NpyImage image = npy_image("write_npy", array, options);
  AtomicFile file("write_npy", path);
  file.write(image.header);
  if (options.on_progress)
    file.report_to([&](uint64_t size) { options.on_progress(size - image.header.size()); });
  file.write(image.data_bytes());
  file.commit();
}

}  // namespace tenon::interop
