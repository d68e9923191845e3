// An operator that is built at run time.
extern "C" int one() { return 1; }
