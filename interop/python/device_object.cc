// tenon.device, and what is there.

#include "interop/python/object.h"

namespace tenon::python {

nb::object device_object(Device d) { return nb::cast(d); }

std::optional<Device> optional_device_argument(PyObject* o) {
  if (o == Py_None) return std::nullopt;
  if (Device * d; nb::try_cast(nb::handle(o), d) && d) return *d;
  if (!PyUnicode_Check(o))
    type_error("device", "expected a tenon.device or a name such as \"cuda:1\", got ",
               type_name(o));
  return Device(nb::cast<std::string>(nb::handle(o)));
}

Device device_argument(PyObject* o) { return optional_device_argument(o).value_or(Device()); }

namespace {

bool same_device(const Device& d, nb::handle other) {
  if (Device * o; nb::try_cast(other, o) && o) return d == *o;
  if (!nb::isinstance<nb::str>(other)) return false;
  const std::string text = nb::cast<std::string>(other);
  return text == d.text() || text == concat_text(d.backend(), ":", d.index()) ||
         (d.index() == 0 && text == d.backend());
}

std::vector<std::string> names(const std::vector<Device>& devices) {
  std::vector<std::string> texts;
  for (const Device& d : devices) texts.push_back(d.text());
  return texts;
}

}  // namespace

void bind_devices(nb::module_& m) {
  nb::class_<Device>(m, "device",
                     "Where a tensor's elements are: tenon.device(\"cuda:1\"). Equal to its name.")
      .def(
          "__init__", [](Device* self, const std::string& name) { new (self) Device(name); },
          nb::arg("name") = "cpu")
      .def_prop_ro(
          "type", [](const Device& d) { return std::string(d.backend()); },
          "The backend's name: \"cuda\".")
      .def_prop_ro("index", [](const Device& d) { return d.index(); })
      .def("__str__", [](const Device& d) { return d.text(); })
      .def("__repr__", [](const Device& d) { return concat_text("device('", d.text(), "')"); })
      .def("__hash__", [](const Device& d) { return reinterpret_cast<intptr_t>(&d.state()) >> 4; })
      .def(
          "__eq__", [](const Device& d, nb::handle other) { return same_device(d, other); },
          nb::arg("other").none())
      .def(
          "__ne__", [](const Device& d, nb::handle other) { return !same_device(d, other); },
          nb::arg("other").none())
      .def("__reduce__", [](const Device& d) {
        return nb::make_tuple(nb::type<Device>(), nb::make_tuple(d.text()));
      });
  m.def(
      "devices", [] { return names(devices()); }, "Names of all devices of all backends.");
  m.def(
      "device_count", [](const std::string& backend) { return device_count(backend); },
      nb::arg("backend"), "Number of devices of a backend; 0 if it is absent or finds none.");
  m.def(
      "load_backend", [](const std::string& path) { load_backend(path); }, nb::arg("path"),
      "Loads the plug-in in this file (with a '/' in its path).");
  m.def(
      "synchronize",
      [](nb::handle d) {
        const Device device = device_argument(d.ptr());
        const WithoutGil released;
        synchronize(device);
      },
      nb::arg("device") = nb::none(),
      "Waits for all work on the device and reports its first error.");
  m.def(
      "backends",
      [] {
        std::string text;
        for (const BackendReport& r : backend_reports()) {
          text += concat_text(r.name, "  ", r.path.empty() ? "(built in)" : r.path, "  ", r.devices,
                              " devices", r.reason.empty() ? "" : ": ", r.reason, "\n");
        }
        return text;
      },
      "Every backend that was looked at and what came of it, a line each.");
}

}  // namespace tenon::python
