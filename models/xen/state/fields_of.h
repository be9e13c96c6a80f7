// fields_of: the table of fields of one struct of a core's saved state. Declared here alone, so that a class can make
// it its friend: `template <class T> friend void fields_of(StateArchive& ar, T& object);`. fields.h says which there
// are.
#pragma once

namespace xensim {

class StateArchive;  // models/base/archive.h

namespace xen {

// Hands each field of `object` to the archive, in the order of the format.
template <class T>
void fields_of(StateArchive& ar, T& object);

}  // namespace xen
}  // namespace xensim
