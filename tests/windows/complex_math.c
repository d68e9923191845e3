/* C99's complex functions for Windows programs: Wine's C library has them as stubs only.
   Microsoft's complex numbers are structures, GCC's are a type of their own. */
#include <complex.h>

typedef struct { double re, im; } wide;
typedef struct { float re, im; } narrow;
typedef union { wide given; double complex number; } wide_number;
typedef union { narrow given; float complex number; } narrow_number;

/* "long double" is double there. */
#define COMPLEX(name)                                                                           \
    wide dw_##name(wide z) { wide_number n = {z}; n.number = name(n.number); return n.given; }  \
    wide dw_##name##l(wide z) { return dw_##name(z); }                                          \
    narrow dw_##name##f(narrow z)                                                               \
    { narrow_number n = {z}; n.number = name##f(n.number); return n.given; }
#define REAL(name)                                                                              \
    double dw_##name(wide z) { wide_number n = {z}; return name(n.number); }                    \
    double dw_##name##l(wide z) { return dw_##name(z); }                                        \
    float dw_##name##f(narrow z) { narrow_number n = {z}; return name##f(n.number); }

COMPLEX(cacos) COMPLEX(cacosh) COMPLEX(casin) COMPLEX(casinh) COMPLEX(catan) COMPLEX(catanh)
COMPLEX(ccos) COMPLEX(ccosh) COMPLEX(cexp) COMPLEX(clog) COMPLEX(conj) COMPLEX(cproj)
COMPLEX(csin) COMPLEX(csinh) COMPLEX(csqrt) COMPLEX(ctan) COMPLEX(ctanh)
REAL(cabs) REAL(carg) REAL(cimag) REAL(creal)

wide dw_cpow(wide a, wide b)
{ wide_number x = {a}, y = {b}; x.number = cpow(x.number, y.number); return x.given; }
wide dw_cpowl(wide a, wide b) { return dw_cpow(a, b); }
narrow dw_cpowf(narrow a, narrow b)
{ narrow_number x = {a}, y = {b}; x.number = cpowf(x.number, y.number); return x.given; }
